"""What `@ably/ai-transport` 0.8.0 shows of a message that we build in full.

Rule: it only takes away, and each loss is one that was measured in the npm package; what is
expected is never touched.
Source: @ably/ai-transport 0.8.0, `vercel/codec/reducer.ts`, `tool-transitions.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from .._strict_json import loads
from ..chunks import Finish, MessageMetadata, Start, ToolInputAvailable, UIMessageChunk
from ..messages import UIMessage

__all__ = ["chunk_as_javascript", "last_metadata", "message_as_javascript"]

JSON: TypeAlias = Any  # any JSON value
_KEPT: Mapping[str, tuple[str, ...]] = {
    "text": ("type", "text"),
    "reasoning": ("type", "text"),
    "file": ("type", "mediaType", "url"),
    "source-url": ("type", "sourceId", "url", "title"),
    "source-document": ("type", "sourceId", "mediaType", "title", "filename"),
    "step-start": ("type",),
}
_TOOL_IDENTITY = ("type", "toolCallId", "toolName", "title", "providerExecuted", "state")
_TOOL_STATE: Mapping[str, tuple[str, ...]] = {
    "input-streaming": ("input",),
    "input-available": ("input",),
    "approval-requested": ("input", "approval"),
    "approval-responded": ("input", "approval"),
    "output-available": ("input", "output", "preliminary"),
    "output-error": ("input", "errorText"),
    "output-denied": ("input", "approval"),
}
_REQUEST = ("id",)
_ANSWER = ("id", "approved", "reason")
_NOT_SAID_AGAIN = ("dynamic", "title", "providerExecuted")


def message_as_javascript(message: UIMessage, metadata: JSON = None) -> dict[str, JSON]:
    """Give the message as the JavaScript view has it.

    Args:
        message: Ours.
        metadata: The last metadata that was said: JavaScript replaces where we merge.
    """
    wire = message.to_wire()
    shown: dict[str, JSON] = {"id": wire["id"], "role": wire["role"]}
    shown["parts"] = [_part(part) for part in wire["parts"] if part["type"] != "custom"]
    if message.role == "assistant" and "metadata" in wire:
        shown["metadata"] = metadata
    return shown


def chunk_as_javascript(chunk: UIMessageChunk) -> dict[str, JSON]:
    """Give the chunk as the JavaScript reader emits it: it does not repeat what the start said."""
    wire: dict[str, JSON] = msgspec.to_builtins(chunk)
    if isinstance(chunk, ToolInputAvailable):
        for key in _NOT_SAID_AGAIN:
            wire.pop(key, None)
    return wire


def last_metadata(chunks: Sequence[UIMessageChunk]) -> JSON:
    """Give the last metadata among the chunks; None if there is none."""
    for chunk in reversed(chunks):
        if isinstance(chunk, Start | Finish | MessageMetadata):
            value = chunk.message_metadata
            if value is not msgspec.UNSET:
                return value
    return None


def _is_json(text: str) -> bool:
    try:
        loads(text)
    except ValueError:
        return False
    return True


def _part(part: Mapping[str, JSON]) -> dict[str, JSON]:
    kind = part["type"]
    kept = _KEPT.get(kind)
    if kept is not None:
        return {key: part[key] for key in kept if key in part}
    if kind.startswith("tool-") or kind == "dynamic-tool":
        return _tool(part)
    return {key: part[key] for key in ("type", "id", "data") if key in part}


def _tool(part: Mapping[str, JSON]) -> dict[str, JSON]:
    state = part["state"]
    approval = part.get("approval", {})
    if state == "approval-responded" and approval.get("approved") is False:
        state = "output-denied"  # a denial settles the call at once, without id and reason
    kept = _TOOL_IDENTITY + _TOOL_STATE[state]
    if state == "input-streaming" and not _is_json(part.get("rawInput", "")):
        kept = _TOOL_IDENTITY  # it repairs no input that is cut off
    shown = {key: part[key] for key in kept if key in part} | {"state": state}
    if state == "output-error" and "input" not in shown and "rawInput" in part:
        shown["input"] = part["rawInput"]
    if state == "output-denied":
        shown["approval"] = {"id": "", "approved": False}
    elif "approval" in shown:
        keys = _REQUEST if state == "approval-requested" else _ANSWER
        shown["approval"] = {key: approval[key] for key in keys if key in approval}
    return shown
