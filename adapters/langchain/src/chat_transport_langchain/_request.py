"""A conversation as LangChain's messages, in their dict form. Rule: pure; no LangChain needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from chat_transport.messages import UIMessage
from chat_transport.prompt import File, PromptMessage, Text, ToolCall, ToolResult, to_prompt
from chat_transport.step import to_json

__all__ = ["langchain_messages"]

JSON: TypeAlias = Any  # any JSON value


def langchain_messages(messages: Sequence[UIMessage]) -> list[dict[str, JSON]]:
    """Give the conversation, tool results as messages of role `tool`.

    Raises:
        LocalProtocolError: If a tool call has no answer.
    """
    return [message for turn in to_prompt(messages) for message in _messages(turn)]


def _messages(turn: PromptMessage) -> list[dict[str, JSON]]:
    if turn.role == "tool":
        return [_result(part) for part in turn.content if isinstance(part, ToolResult)]
    if turn.role == "user":
        return [{"role": "user", "content": _content(turn)}]
    message: dict[str, JSON] = {"role": turn.role, "content": turn.text}
    calls = [
        {
            "type": "tool_call",
            "id": part.tool_call_id,
            "name": part.tool_name,
            "args": part.input if isinstance(part.input, dict) else {},
        }
        for part in turn.content
        if isinstance(part, ToolCall) and not part.provider_executed
    ]
    return [message | ({"tool_calls": calls} if calls else {})]


def _content(turn: PromptMessage) -> JSON:
    if all(isinstance(part, Text) for part in turn.content):
        return turn.text
    return [
        {"type": "text", "text": part.text} if isinstance(part, Text) else _file(part)
        for part in turn.content
        if isinstance(part, Text | File)
    ]


def _file(file: File) -> dict[str, JSON]:
    kind = file.kind if file.kind in {"image", "audio", "video"} else "file"
    block: dict[str, JSON] = {"type": kind, "mime_type": file.media_type}
    if file.is_inline:
        return block | {"base64": file.base64()}
    return block | {"url": file.url}


def _result(part: ToolResult) -> dict[str, JSON]:
    text = part.value if isinstance(part.value, str) else to_json(part.value)
    failed = part.is_error or part.kind == "denied"
    status = {"status": "error"} if failed else {}
    return {"role": "tool", "tool_call_id": part.tool_call_id, "content": text, **status}
