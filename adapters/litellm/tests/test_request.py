from __future__ import annotations

from chat_transport_litellm import completion_arguments

from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings


def test_thoughts_go_back_with_their_signatures():
    reply = {
        "id": "a",
        "role": "assistant",
        "parts": [
            {
                "type": "reasoning",
                "text": "hm",
                "providerMetadata": {"litellm": {"signature": "SIG"}},
            },
            {
                "type": "tool-w",
                "toolCallId": "c",
                "state": "output-available",
                "input": {},
                "output": "ok",
            },
            {"type": "step-start"},
            {
                "type": "reasoning",
                "text": "",
                "providerMetadata": {"anthropic": {"redactedData": "RED"}},
            },
            {"type": "text", "text": "Done"},
        ],
    }
    messages = [UIMessage.user("Hi", id="u"), UIMessage.model_validate(reply)]
    settings = ModelSettings(instructions="Brief.", headers={"x": "y"}, timeout_s=3)
    arguments = completion_arguments(messages, model="groq/x", settings=settings)
    assert arguments["model"] == "groq/x"
    assert arguments["extra_headers"] == {"x": "y"}
    assert arguments["timeout"] == 3
    assert [message.get("thinking_blocks") for message in arguments["messages"]] == [
        None,
        None,
        [{"type": "thinking", "thinking": "hm", "signature": "SIG"}],
        None,
        [{"type": "redacted_thinking", "data": "RED"}],
    ]
