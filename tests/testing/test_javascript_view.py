from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.messages import UIMessage
from chat_transport.testing._javascript_view import (
    chunk_as_javascript,
    last_metadata,
    message_as_javascript,
)

META = {"p": {"k": 1}}
TOOL = {"type": "tool-x", "toolCallId": "c", "input": {}, "toolMetadata": {"a": 1}}


def shown(part):
    message = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": [part]})
    (only,) = message_as_javascript(message)["parts"]
    return only


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "text", "text": "x", "state": "done", "providerMetadata": META},
            {"type": "text", "text": "x"},
        ),
        ({"type": "reasoning", "id": "r", "text": "x"}, {"type": "reasoning", "text": "x"}),
        (
            {"type": "data-x", "id": "1", "data": 1, "transient": False},
            {"type": "data-x", "id": "1", "data": 1},
        ),
        (
            {**TOOL, "state": "output-available", "output": 1, "approval": {"id": "p"}},
            {
                "type": "tool-x",
                "toolCallId": "c",
                "state": "output-available",
                "input": {},
                "output": 1,
            },
        ),
        (
            {
                **TOOL,
                "state": "approval-responded",
                "approval": {"id": "p", "approved": False, "reason": "r"},
            },
            {
                "type": "tool-x",
                "toolCallId": "c",
                "state": "output-denied",
                "input": {},
                "approval": {"id": "", "approved": False},
            },
        ),
        (
            {**TOOL, "state": "approval-requested", "approval": {"id": "p", "signature": "s"}},
            {
                "type": "tool-x",
                "toolCallId": "c",
                "state": "approval-requested",
                "input": {},
                "approval": {"id": "p"},
            },
        ),
    ],
)
def test_a_part_is_narrowed_to_what_the_package_shows(part, expected):
    assert shown(part) == expected


def test_a_bad_input_is_shown_raw():
    part = {"type": "tool-x", "toolCallId": "c", "state": "output-error", "rawInput": "{"}
    assert shown({**part, "errorText": "bad"})["input"] == "{"


@pytest.mark.parametrize(("text", "seen"), [('{"a":', {}), ('{"a": 1}', {"input": {"a": 1}})])
def test_an_input_that_is_cut_off_is_not_shown(text, seen):
    part = {"type": "tool-x", "toolCallId": "c", "state": "input-streaming", "rawInput": text}
    expected = {"type": "tool-x", "toolCallId": "c", "state": "input-streaming"}
    assert shown({**part, "input": {"a": 1}}) == expected | seen


def test_metadata_is_the_last_that_was_said():
    said = [c.Start(message_metadata={"a": 1}), c.Finish(), c.MessageMetadata(message_metadata=2)]
    assert last_metadata(said) == 2
    assert last_metadata(said[:2]) == {"a": 1}
    assert last_metadata([c.StartStep()]) is None
    message = UIMessage(id="a", role="assistant", parts=[], metadata={"a": 1, "b": 2})
    assert message_as_javascript(message, {"b": 2})["metadata"] == {"b": 2}


def test_the_end_of_an_input_does_not_repeat_its_start():
    chunk = c.ToolInputAvailable(tool_call_id="c", tool_name="x", input={}, dynamic=True, title="T")
    assert chunk_as_javascript(chunk) == {
        "type": "tool-input-available",
        "toolCallId": "c",
        "toolName": "x",
        "input": {},
    }
