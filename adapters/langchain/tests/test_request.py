from __future__ import annotations

from chat_transport_langchain import langchain_messages

from chat_transport.messages import FilePart, UIMessage


def test_a_conversation_in_langchains_words():
    image = FilePart(media_type="image/png", url="data:image/png;base64,AAAA")
    reply = {
        "id": "a",
        "role": "assistant",
        "parts": [
            {"type": "text", "text": "Let me see."},
            {
                "type": "tool-w",
                "toolCallId": "c",
                "state": "output-error",
                "input": {"a": 1},
                "errorText": "boom",
            },
        ],
    }
    messages = [
        UIMessage.user("Hi", id="u"),
        UIMessage.user("Look", id="v", files=[image]),
        UIMessage.model_validate(reply),
    ]
    assert langchain_messages(messages) == [
        {"role": "user", "content": "Hi"},
        {
            "role": "user",
            "content": [
                {"type": "image", "mime_type": "image/png", "base64": "AAAA"},
                {"type": "text", "text": "Look"},
            ],
        },
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"type": "tool_call", "id": "c", "name": "w", "args": {"a": 1}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "boom", "status": "error"},
    ]
