"""Messages as the GenAI conventions write them, for those who capture content.

Rule: pure; reached only where content capture is switched on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from .._strict_json import dumps
from ..messages import DynamicToolPart, FilePart, ReasoningPart, TextPart, ToolPart, UIMessage

__all__ = ["json_text", "messages_json"]

JSON: TypeAlias = Any  # any JSON value


def json_text(value: JSON) -> str:
    """Give a value as JSON, or as Python shows it if JSON cannot."""
    try:
        return dumps(value).decode()
    except (TypeError, ValueError):
        return repr(value)


def messages_json(messages: Sequence[UIMessage]) -> str:
    """Give messages as the conventions' JSON. Files are named by their media type alone."""
    return json_text(
        [
            {
                "role": message.role,
                "parts": [said for part in message.parts for said in _said(part)],
            }
            for message in messages
        ]
    )


def _said(part: object) -> Iterable[dict[str, JSON]]:
    match part:
        case TextPart():
            yield {"type": "text", "content": part.text}
        case ReasoningPart():
            yield {"type": "reasoning", "content": part.text}
        case FilePart():
            yield {"type": "file", "mime_type": part.media_type}
        case ToolPart() | DynamicToolPart():
            call: dict[str, JSON] = {"id": part.tool_call_id, "name": part.tool_name}
            yield {"type": "tool_call", **call, "arguments": part.input}
            if part.state == "output-available":
                yield {
                    "type": "tool_call_response",
                    "id": part.tool_call_id,
                    "response": part.output,
                }
            elif part.state == "output-error":
                yield {
                    "type": "tool_call_response",
                    "id": part.tool_call_id,
                    "response": part.error_text,
                }
        case _:
            return
