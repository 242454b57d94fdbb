from __future__ import annotations

import pytest
from chat_transport_demo._request import Answered, read_prompt

from chat_transport.messages import ToolApproval, ToolPart, UIMessage


def call(state: str, **fields: object) -> ToolPart:
    return ToolPart.model_validate(
        {"type": "tool-weather", "toolCallId": "call-1", "state": state, **fields}
    )


def reply(*parts: ToolPart) -> UIMessage:
    return UIMessage(id="a", role="assistant", parts=list(parts))


QUESTION = UIMessage.user("weather please", id="u")


def test_an_empty_conversation_asks_nothing():
    assert read_prompt([]).text == ""


def test_the_last_user_message_is_the_prompt():
    prompt = read_prompt([UIMessage.user("one", id="1"), UIMessage.user(" two ", id="2")])
    assert (prompt.text, prompt.words_before) == ("two", 2)


@pytest.mark.parametrize(
    ("part", "answered"),
    [
        (call("output-available", output=7), ("output", 7)),
        (call("output-error", errorText="no"), ("error", "no")),
        (call("output-denied"), ("denied", None)),
        (
            call("approval-responded", approval=ToolApproval(id="x", approved=False, reason="why")),
            ("denied", "why"),
        ),
    ],
)
def test_answered_calls_are_found(part: ToolPart, answered: tuple[str, object]):
    outcome, value = answered
    assert read_prompt([QUESTION, reply(part)]).answered == (
        Answered(tool_name="weather", outcome=outcome, value=value),
    )


@pytest.mark.parametrize(
    "part",
    [
        call("input-available", input={}),
        call("output-available", output=7, preliminary=True),
        call("approval-responded", approval=ToolApproval(id="x", approved=True)),
    ],
)
def test_calls_without_a_final_answer_are_not_answered(part: ToolPart):
    assert read_prompt([QUESTION, reply(part)]).answered == ()


def test_calls_of_earlier_replies_count_but_are_not_reported():
    prompt = read_prompt([QUESTION, reply(call("output-available", output=7)), QUESTION])
    assert (prompt.answered, prompt.calls_before) == ((), 1)
