from __future__ import annotations

from typing import Any

import pytest

from chat_transport.messages import UIMessage
from chat_transport.predicates import (
    is_complete_with_approval_responses,
    is_complete_with_tool_calls,
    response_message_id,
)

STEP = {"type": "step-start"}


def chat(*parts: dict[str, Any], role: str = "assistant") -> list[UIMessage]:
    return [UIMessage.model_validate({"id": "a", "role": role, "parts": list(parts)})]


def call(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-f", "toolCallId": "c", "state": state, **fields}


DONE = call("output-available", input=1, output=2)
FAILED = call("output-error", errorText="x")
ANSWERED = call("approval-responded", input=1, approval={"id": "p", "approved": True})


@pytest.mark.parametrize(
    ("parts", "complete"),
    [
        ((DONE,), True),
        ((DONE, FAILED), True),
        ((DONE, call("input-available", input=1)), False),
        ((call("output-available", input=1, output=2, preliminary=True),), False),
        ((call("output-available", input=1, output=2, providerExecuted=True),), False),
        ((DONE, {"type": "text", "text": "x", "state": "streaming"}), False),
        ((DONE, {"type": "text", "text": "x"}), False),
        (({"type": "text", "text": "x"}, DONE), True),
        ((DONE, {"type": "text", "text": "x", "state": "done"}), True),
        ((DONE, STEP), False),
        ((call("input-available", input=1), STEP, DONE), True),
        ((), False),
    ],
)
def test_complete_with_tool_calls(parts: tuple[dict[str, Any], ...], complete: object):
    assert is_complete_with_tool_calls(chat(*parts)) is complete


@pytest.mark.parametrize(
    ("parts", "complete"),
    [
        ((ANSWERED,), True),
        ((ANSWERED, DONE), True),
        ((ANSWERED, call("output-denied", input=1, approval={"id": "p", "approved": False})), True),
        ((ANSWERED, call("approval-requested", input=1, approval={"id": "q"})), False),
        ((ANSWERED, call("input-available", input=1, providerExecuted=True)), False),
        ((DONE,), False),
        ((ANSWERED, STEP), False),
    ],
)
def test_complete_with_approval_responses(parts: tuple[dict[str, Any], ...], complete: object):
    assert is_complete_with_approval_responses(chat(*parts)) is complete


def test_only_an_assistants_last_message_counts():
    for ask in (is_complete_with_tool_calls, is_complete_with_approval_responses):
        assert not ask([])
        assert not ask(chat(DONE, ANSWERED) + chat({"type": "text", "text": "q"}, role="user"))


def test_a_reply_keeps_the_id_of_the_message_it_goes_on_with():
    assert response_message_id(None, "new") is None
    assert response_message_id([], "new") == "new"
    assert response_message_id(chat(DONE), "new") == "a"
    assert response_message_id(chat({"type": "text", "text": "q"}, role="user"), "new") == "new"
