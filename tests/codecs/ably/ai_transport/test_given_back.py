from __future__ import annotations

import pytest

from chat_transport.codecs.ably.ai_transport.given_back import answers_in, calls_of, waits
from chat_transport.codecs.ably.ai_transport.input_events import ApprovalAnswered, ToolResolved
from chat_transport.messages import UIMessage

CALL = {"type": "tool-rm", "toolCallId": "c", "input": {"p": 1}}
ASKED = {**CALL, "state": "approval-requested", "approval": {"id": "ap"}}
READY = {**CALL, "state": "input-available"}


def message(*parts):
    return UIMessage.model_validate({"id": "a", "role": "assistant", "parts": list(parts)})


def answered(known, claimed):
    return answers_in(message(known), message(claimed))


def yes(**more):
    approval = {"id": "ap", "approved": True, **more}
    return {**CALL, "state": "approval-responded", "approval": approval}


def test_a_decision_is_read_with_its_reason():
    (found,) = answered(ASKED, yes(approved=False, reason="no"))
    assert found == ApprovalAnswered(tool_call_id="c", approved=False, reason="no")


def test_an_output_is_read_and_so_is_a_failure():
    (found,) = answered(READY, {**CALL, "state": "output-available", "output": {"ok": 1}})
    assert found == ToolResolved(tool_call_id="c", output={"ok": 1})
    (found,) = answered(READY, {**CALL, "state": "output-error", "errorText": "no"})
    assert found == ToolResolved(tool_call_id="c", error_text="no")


@pytest.mark.parametrize(
    ("known", "claimed"),
    [
        (ASKED, yes(id="other")),
        (ASKED, {**yes(), "toolCallId": "other"}),
        (ASKED, {**CALL, "state": "output-available", "output": "forged"}),
        (ASKED, ASKED),
        (READY, yes()),
        (READY, READY),
        ({**READY, "providerExecuted": True}, {**CALL, "state": "output-available", "output": 1}),
        ({**READY, "state": "input-streaming"}, {**CALL, "state": "output-available", "output": 1}),
        ({**CALL, "state": "output-available", "output": 1}, yes()),
        (yes(approved=False), yes()),
        ({"type": "text", "text": "x"}, yes()),
    ],
)
def test_what_was_not_asked_is_not_read(known, claimed):
    assert answered(known, claimed) == []


def test_a_call_waits_for_a_client_or_for_a_person():
    states = [ASKED, READY, {**READY, "providerExecuted": True}, yes()]
    assert [waits(call) for call in calls_of(message(*states))] == [True, True, False, False]
