from __future__ import annotations

from typing import Any

import pytest

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import DataPart, UIMessage
from chat_transport.prompt import (
    ApprovalResponse,
    Custom,
    File,
    Reasoning,
    ReasoningFile,
    Text,
    ToolCall,
    ToolResult,
    to_prompt,
)


def message(role: str, *parts: dict[str, Any]) -> UIMessage:
    return UIMessage.model_validate({"id": f"{role}-1", "role": role, "parts": list(parts)})


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


def call(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-w", "toolCallId": "c", "state": state, "input": {"a": 1}, **fields}


HI = message("user", text("Hi"))


def test_system_texts_are_joined_with_their_options():
    (turn,) = to_prompt([message("system", text("A", providerMetadata={"x": {"y": 1}}), text("B"))])
    assert (turn.role, turn.text) == ("system", "AB")
    assert turn.content == (Text(text="AB", options={"x": {"y": 1}}),)


def test_a_user_turn_holds_texts_and_files_and_nothing_else():
    file = {"type": "file", "mediaType": "image/png", "url": "https://e.com/a.png"}
    data = {"type": "data-x", "data": 1}
    (turn,) = to_prompt([message("user", text("Look"), file, data)])
    assert turn.content == (
        Text(text="Look", options={}),
        File(
            media_type="image/png",
            url="https://e.com/a.png",
            filename=None,
            references={},
            options={},
        ),
    )


def test_data_parts_are_told_through_a_converter():
    def told(part: DataPart) -> dict[str, Any]:
        return {"type": "text", "text": f"{part.name}={part.data}"}

    data = {"type": "data-x", "data": 1}
    turns = to_prompt([message("user", data), message("assistant", data)], convert_data_part=told)
    assert [turn.text for turn in turns] == ["x=1", "x=1"]


def test_a_file_known_to_one_provider_keeps_its_address_for_the_others():
    file = {
        "type": "file",
        "mediaType": "image/png",
        "url": "https://e.com/a.png",
        "providerReference": {"openai": "file-1"},
    }
    (turn,) = to_prompt([message("user", file)])
    (told,) = turn.content
    assert isinstance(told, File)
    assert (told.url, told.references) == ("https://e.com/a.png", {"openai": "file-1"})


def test_a_file_that_has_no_address_is_refused_with_its_message():
    file = {"type": "file", "mediaType": "image/png", "url": "a.png"}
    with pytest.raises(LocalProtocolError, match=r"message 'user-1'; 'a\.png' is not an absolute"):
        to_prompt([message("user", file)])


def test_a_user_turn_that_says_nothing_is_left_out():
    assert to_prompt([message("user", {"type": "data-x", "data": 1})]) == []


def test_steps_become_turns_with_their_tool_results():
    reply = message(
        "assistant",
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm"},
        call("output-available", output="ok", callProviderMetadata={"p": {"q": 1}}),
        {"type": "step-start"},
        text("Done"),
        {"type": "source-url", "sourceId": "s", "url": "https://e.com"},
    )
    turns = to_prompt([HI, reply])
    options = {"p": {"q": 1}}
    assert [(turn.role, turn.content) for turn in turns[1:]] == [
        (
            "assistant",
            (
                Reasoning(text="hm", options={}),
                ToolCall(
                    tool_call_id="c",
                    tool_name="w",
                    input={"a": 1},
                    provider_executed=False,
                    options=options,
                ),
            ),
        ),
        (
            "tool",
            (
                ToolResult(
                    tool_call_id="c", tool_name="w", kind="text", value="ok", options=options
                ),
            ),
        ),
        ("assistant", (Text(text="Done", options={}),)),
    ]


@pytest.mark.parametrize(
    ("part", "kind", "value"),
    [
        (call("output-available", output={"t": 1}), "json", {"t": 1}),
        (call("output-error", errorText="boom"), "error-text", "boom"),
        (call("output-denied", approval={"id": "x", "approved": False}), "error-text", None),
        (
            call("approval-responded", approval={"id": "x", "approved": False, "reason": "no"}),
            "denied",
            "no",
        ),
    ],
)
def test_every_answer_has_its_kind(part: dict[str, Any], kind: str, value: object):
    result = to_prompt([HI, message("assistant", part)])[-1].content[-1]
    assert isinstance(result, ToolResult)
    assert result.kind == kind
    assert result.is_error == kind.startswith("error")
    assert result.value == (value if value is not None else "Tool call execution denied.")


def test_an_invalid_input_is_told_raw():
    part = {
        "type": "tool-w",
        "toolCallId": "c",
        "state": "output-error",
        "rawInput": "{oops",
        "errorText": "bad",
        "resultProviderMetadata": {"p": {}},
    }
    made = to_prompt([HI, message("assistant", part)])[1].content[0]
    assert isinstance(made, ToolCall)
    assert (made.input, made.options) == ("{oops", {"p": {}})


def test_an_input_that_is_lost_is_an_empty_one():
    lost = {
        key: value for key, value in call("output-error", errorText="no").items() if key != "input"
    }
    (asked, _) = to_prompt([message("assistant", lost)])
    assert [part.input for part in asked.content if isinstance(part, ToolCall)] == [{}]


def test_what_the_provider_ran_stays_in_its_turn():
    part = call("output-error", errorText="x", providerExecuted=True)
    (turn,) = to_prompt([message("assistant", part)])
    assert [type(one) for one in turn.content] == [ToolCall, ToolResult]
    assert turn.content[1].kind == "error-json"  # type: ignore[union-attr]  # checked above


def test_leave_for_what_the_provider_runs_is_told():
    approval = {"id": "x", "approved": True}
    part = call("approval-responded", providerExecuted=True, approval=approval)
    turn = to_prompt([message("assistant", part)])[-1]
    assert turn.content == (ApprovalResponse(approval_id="x", approved=True, reason=None),)


def test_a_refusal_that_the_provider_hears_itself_is_no_result():
    approval = {"id": "x", "approved": False}
    part = call("approval-responded", providerExecuted=True, approval=approval)
    turn = to_prompt([message("assistant", part)])[-1]
    assert turn.content == (ApprovalResponse(approval_id="x", approved=False, reason=None),)


def test_leave_for_what_we_run_is_not_told():
    part = call("output-available", output=1, approval={"id": "x", "approved": True})
    turn = to_prompt([message("assistant", part)])[-1]
    assert [type(one) for one in turn.content] == [ToolResult]


def test_an_output_is_told_even_if_its_tool_was_once_gone():
    part = {
        "type": "dynamic-tool",
        "toolName": "w",
        "toolCallId": "c",
        "state": "output-available",
        "input": {},
        "output": "ok",
        "dynamic": False,
    }
    result = to_prompt([message("assistant", part)])[-1].content[0]
    assert isinstance(result, ToolResult)
    assert result.value == "ok"


@pytest.mark.parametrize("state", ["input-available", "approval-requested"])
def test_a_call_without_an_answer_is_refused_or_left_out(state: str):
    messages = [HI, message("assistant", text("a"), call(state, approval={"id": "x"}))]
    with pytest.raises(LocalProtocolError, match="'c' of message 'assistant-1'"):
        to_prompt(messages)
    turns = to_prompt(messages, ignore_incomplete_tool_calls=True)
    assert [turn.text for turn in turns] == ["Hi", "a"]


def test_a_call_without_an_answer_before_the_user_is_refused():
    with pytest.raises(LocalProtocolError, match="has no result"):
        to_prompt([HI, message("assistant", call("input-available")), HI])


def test_a_question_that_the_user_has_overtaken_is_void():
    asked = message("assistant", text("a"), call("approval-requested", approval={"id": "x"}))
    assert [turn.role for turn in to_prompt([HI, asked, HI])] == ["user", "assistant", "user"]


def test_inputs_under_way_and_preliminary_outputs_are_unfinished():
    assert [
        turn.role for turn in to_prompt([HI, message("assistant", call("input-streaming"))])
    ] == ["user"]
    part = call("output-available", output=1, preliminary=True)
    turns = to_prompt([HI, message("assistant", part)], ignore_incomplete_tool_calls=True)
    assert [turn.role for turn in turns] == ["user"]


def test_steering_is_a_user_turn_between_steps():
    steering = {"type": "steering-message", "id": "s", "parts": [text("faster")]}
    turns = to_prompt([message("assistant", text("a"), steering, text("b"))])
    assert [(turn.role, turn.text) for turn in turns] == [
        ("assistant", "a"),
        ("user", "faster"),
        ("assistant", "b"),
    ]


def test_files_and_provider_parts_of_the_assistant_are_kept():
    parts = [
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"},
        {"type": "reasoning-file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"},
        {"type": "custom", "kind": "p.k"},
    ]
    (turn,) = to_prompt([message("assistant", *parts)])
    assert [type(part) for part in turn.content] == [File, ReasoningFile, Custom]


def test_an_empty_text_of_the_assistant_is_left_out():
    turn = to_prompt([message("assistant", text(""))])[0]
    assert turn.content == ()


def test_results_of_turns_that_follow_each_other_are_one_turn():
    one = message("assistant", call("output-available", output=1))
    again = one.model_copy(
        update={"parts": [p.model_copy(update={"tool_call_id": "d"}) for p in one.parts]}
    )
    assert [turn.role for turn in to_prompt([one, again])] == [
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]


def test_an_empty_text_of_the_user_is_left_out():
    (turn,) = to_prompt([message("user", text(""), text("Hi"))])
    assert [part.text for part in turn.content] == ["Hi"]
