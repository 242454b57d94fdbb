from __future__ import annotations

from typing import Any

import pytest

from chat_transport.chat import _parts
from chat_transport.inputs import ApprovalResponse, ToolOutput
from chat_transport.messages import TextPart, UIMessage

CALL = {"type": "tool-rm", "toolCallId": "c", "input": {"p": 1}, "x-own": "kept"}


def message(*parts: dict[str, Any], role: str = "assistant") -> UIMessage:
    return UIMessage.model_validate({"id": "a", "role": role, "parts": list(parts)})


def call(**fields: Any) -> Any:
    return message({**CALL, **fields}).parts[0]


def test_an_output_replaces_an_error_and_only_a_granted_approval_stays():
    asked = call(state="approval-requested", approval={"id": "ap"}, errorText="old")
    done = _parts.with_output(asked, ToolOutput(tool_call_id="c", output=None))
    assert done.to_wire() == {**CALL, "state": "output-available", "output": None}
    granted = call(state="approval-responded", approval={"id": "ap", "approved": True})
    failed = _parts.with_output(granted, ToolOutput(tool_call_id="c", error_text="no"))
    assert failed.to_wire() == {
        **CALL,
        "state": "output-error",
        "errorText": "no",
        "approval": {"id": "ap", "approved": True},
    }


def test_an_answer_keeps_what_was_asked():
    asked = call(state="approval-requested", approval={"id": "ap", "requestReason": "why"})
    answer = ApprovalResponse(approval_id="ap", approved=False, reason="no")
    assert _parts.with_approval(asked, answer).to_wire() == {
        **CALL,
        "state": "approval-responded",
        "approval": {"id": "ap", "requestReason": "why", "approved": False, "reason": "no"},
    }


def test_other_parts_stay_the_same_objects():
    text, other = TextPart(text="x"), call(state="input-available")
    for part in (text, other):
        assert _parts.with_output(part, ToolOutput(tool_call_id="z", output=1)) is part
        assert _parts.with_approval(part, ApprovalResponse(approval_id="z", approved=True)) is part


@pytest.mark.parametrize(
    ("fields", "waits", "unsent", "unfinished"),
    [
        ({"state": "input-streaming"}, True, False, True),
        ({"state": "input-available"}, True, False, False),
        ({"state": "input-available", "providerExecuted": True}, False, False, True),
        ({"state": "approval-requested"}, True, False, False),
        ({"state": "approval-responded"}, True, True, True),
        ({"state": "output-available", "output": 1}, False, False, False),
    ],
)
def test_whose_turn_it_is(
    fields: dict[str, Any],
    waits: bool,  # noqa: FBT001
    unsent: bool,  # noqa: FBT001
    unfinished: bool,  # noqa: FBT001
):
    last = message({**CALL, **fields})
    assert _parts.waits_for_user(last) is waits
    assert _parts.has_unsent_approval(last) is unsent
    assert _parts.is_unfinished(last) is unfinished


def test_one_open_call_holds_back_the_answered_ones():
    last = message({**CALL, "state": "approval-responded"}, {**CALL, "state": "input-available"})
    assert not _parts.has_unsent_approval(last)
    assert not _parts.waits_for_user(None)
    assert not _parts.waits_for_user(message({"type": "text", "text": "x"}, role="user"))
