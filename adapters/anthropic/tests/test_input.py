from __future__ import annotations

from typing import Any

import pytest
from chat_transport_anthropic._input import messages_input

from chat_transport.messages import UIMessage
from chat_transport.prompt import to_prompt

CALLER = {"anthropic": {"caller": {"type": "code_execution_20250825", "toolId": "srv_1"}}}
CALL = {
    "type": "tool-f",
    "toolCallId": "c",
    "state": "output-available",
    "input": {},
    "output": 1,
    "callProviderMetadata": CALLER,
}
PROGRAM = {
    "type": "tool-code_execution",
    "toolCallId": "srv_1",
    "state": "output-available",
    "input": {"type": "programmatic-tool-call", "code": "f()"},
    "output": {"type": "code_execution_result", "stdout": "", "stderr": "", "return_code": 0},
    "providerExecuted": True,
}


@pytest.mark.parametrize(
    ("parts", "goes_on", "is_kept"),
    [([CALL], True, False), ([CALL], False, True), ([PROGRAM, CALL], True, True)],
)
def test_who_called_a_tool_is_kept_while_the_program_is_there_or_goes_on(
    *, parts: list[dict[str, Any]], goes_on: bool, is_kept: bool
):
    said = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": parts})
    history = [UIMessage.user("Hi", id="u"), said]
    more = [UIMessage.user("More", id="v")] if goes_on else []
    _, messages, _ = messages_input(to_prompt([*history, *more]))
    (block,) = [
        one for message in messages for one in message["content"] if one["type"] == "tool_use"
    ]
    assert ("caller" in block) is is_kept
