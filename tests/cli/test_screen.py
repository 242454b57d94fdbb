from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from chat_transport.chat import ChatState
from chat_transport.cli._screen import Screen, split_blocks
from chat_transport.messages import UIMessage


def message(*parts: dict[str, Any]) -> UIMessage:
    return UIMessage.model_validate({"id": "a", "role": "assistant", "parts": list(parts)})


def state(*messages: UIMessage, status: Any = "ready", error: Exception | None = None) -> ChatState:
    return ChatState(messages=messages, status=status, error=error, queued=())


def drawn(*states: ChatState, is_terminal: bool = False) -> str:
    file = io.StringIO()
    screen = Screen(Console(file=file, width=60, force_terminal=is_terminal, color_system=None))
    for each in states:
        screen.show(each)
    screen.close()
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def text(words: str, part_state: str = "streaming") -> UIMessage:
    return message({"type": "text", "text": words, "state": part_state})


def test_blocks_end_at_blank_lines_outside_of_fences():
    assert split_blocks("a\nb\n\n\nc\n```py\nx\n\ny\n```\n\nd") == [
        "a\nb",
        "c\n```py\nx\n\ny\n```",
        "d",
    ]


def test_a_finished_block_is_printed_once_and_the_rest_at_the_end():
    shown = drawn(
        state(text("one\n\ntw"), status="streaming"),
        state(text("one\n\ntwo\n\nthr"), status="streaming"),
        state(text("one\n\ntwo\n\nthree", "done")),
    )
    assert shown.split() == ["one", "two", "three"]


def test_what_grows_is_drawn_on_a_terminal_only():
    growing = state(text("grow"), status="streaming")
    assert "grow" in drawn(growing, is_terminal=True)
    assert drawn(growing) == ""


def test_what_was_typed_here_is_not_repeated_and_others_are():
    file = io.StringIO()
    screen = Screen(Console(file=file))
    screen.own_ids.add("mine")
    screen.show(state(UIMessage.user("hi", id="mine"), UIMessage.user("hey", id="theirs")))
    assert file.getvalue().strip() == "user: hey"


def test_tool_calls_are_one_line_for_each_state_that_matters():
    call = {"type": "tool-rm", "toolCallId": "c", "input": {"p": 1}}
    shown = drawn(
        state(message({**call, "state": "input-available"}), status="streaming"),
        state(message({**call, "state": "approval-requested", "approval": {"id": "x"}})),
        state(message({**call, "state": "output-available", "output": "x" * 300})),
    )
    assert shown.splitlines()[0] == '? rm({"p": 1}) needs your approval'
    assert '✓ rm({"p": 1}) →' in shown
    assert "…" in shown


def test_other_parts_and_failures_are_shown():
    shown = drawn(
        state(
            message(
                {"type": "reasoning", "text": "hm", "state": "done"},
                {"type": "source-url", "sourceId": "1", "url": "https://x.example"},
                {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"},
                {"type": "data-city", "data": {"n": 1}},
                {"type": "tool-a", "toolCallId": "1", "state": "output-error", "errorText": "bad"},
                {"type": "tool-b", "toolCallId": "2", "state": "output-denied"},
            ),
            status="error",
            error=ValueError("no model"),
        )
    )
    assert shown.splitlines() == [
        "hm",
        "source: https://x.example https://x.example",
        "file: image/png 26 characters",
        'city: {"n": 1}',
        "✗ a(null): bad",
        "✗ b(null): refused",
        "error: no model",
    ]


def test_a_prompt_is_shown_again_below_what_came_meanwhile():
    file = io.StringIO()
    screen = Screen(Console(file=file, force_terminal=True, color_system=None))
    screen.prompt()
    screen.note("news")
    assert file.getvalue() == "> \r\x1b[Knews\n> "
