"""The wire of `ably-ai-sdk-transport`, the older drop-in transport for `useChat`: both encoders.

Rule: data is JSON text; text, reasoning and tools are messages grown by appends whose
`version.metadata.event` says what happened; a tool's fate updates the tool's message. Beside what
that package writes we add `toolName` and `input` to those updates, which replace them.
Source: ably-ai-sdk-transport, README and wire as described in docs/internals, 2026-08.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from ... import chunks as c
from ...chunks import UIMessageChunk
from ...messages import UIMessage
from .ai_transport.facts import RunReason
from .ai_transport.input_encoder import EncodedInput
from .operations import Append, Operation, OutboundMessage, Publish, Update

__all__ = ["AiSdkEncoder", "AiSdkInputEncoder", "dropped_by_ai_sdk"]

JSON: TypeAlias = Any  # any JSON value
_WHOLE: Mapping[type[UIMessageChunk], str] = {
    c.File: "file",
    c.SourceUrl: "source-url",
    c.SourceDocument: "source-document",
    c.MessageMetadata: "metadata",
    c.Start: "start",
    c.FinishStep: "step-finish",
    c.Finish: "finish",
    c.Error: "error",
    c.Abort: "abort",
}
_TOOL_FATES: Mapping[type[UIMessageChunk], str] = {
    c.ToolOutputAvailable: "tool-output",
    c.ToolOutputError: "tool-error",
    c.ToolApprovalRequest: "tool-approval",
    c.ToolOutputDenied: "tool-denied",
    c.ToolInputError: "tool-error",
}


def dropped_by_ai_sdk() -> frozenset[str]:
    """Give the chunk types that this wire has no message for."""
    return frozenset(
        {"reset-step", "custom", "reasoning-file", "steering-message", "tool-approval-response"}
    )


@dataclass(slots=True)
class _Open:
    key: str
    kind: str
    pieces: list[str]
    call: c.ToolInputStart | None = None
    name: str | None = None
    input: JSON = c.ABSENT


class AiSdkEncoder:
    """The agent's end of one reply.

    Args:
        prompt_id: The prompt that is answered.
        new_id: Gives ids for text and reasoning messages.
        says_error: Say a failure by a message named `error`, as that package does. Off says it as
            an `abort` with `errorText`: ably-python loses whole frames to a message named `error`.
    """

    def __init__(
        self, prompt_id: str, *, new_id: Callable[[], str], says_error: bool = True
    ) -> None:
        self._new_id = new_id
        self._says_error = says_error
        self._prompt_id = prompt_id
        self._extras: dict[str, JSON] = {"headers": {"role": "assistant", "promptId": prompt_id}}
        self._open: dict[str, _Open] = {}
        self._tools: dict[str, _Open] = {}
        self._by_key: dict[str, _Open] = {}
        self._over = False

    def start(self) -> list[Operation]:
        """Nothing announces a reply but its `start` chunk."""
        return []

    def encode(self, chunk: UIMessageChunk) -> list[Operation]:
        """Say a chunk; what this wire has no message for is dropped."""
        if isinstance(chunk, c.TextDelta | c.ReasoningDelta):
            return self._grow(chunk.id, chunk.delta)
        if isinstance(chunk, c.TextStart | c.ReasoningStart):
            kind = "text" if isinstance(chunk, c.TextStart) else "reasoning"
            return [self._begin(chunk.id, kind, f"{kind}:{self._new_id()}")]
        if isinstance(chunk, c.TextEnd | c.ReasoningEnd):
            return self._finish(chunk.id)
        if isinstance(chunk, c.ToolInputStart):
            name = f"tool:{chunk.tool_call_id}:{chunk.tool_name}"
            publish = self._begin(chunk.tool_call_id, "tool-input", name)
            self._tools[chunk.tool_call_id] = self._open[chunk.tool_call_id]
            self._tools[chunk.tool_call_id].call = chunk
            return [publish]
        if isinstance(chunk, c.ToolInputDelta):
            return self._grow(chunk.tool_call_id, chunk.input_text_delta)
        if isinstance(chunk, c.ToolInputAvailable):
            return self._input(chunk)
        if type(chunk) in _TOOL_FATES:
            return [self._fate(chunk)]
        return self._whole(chunk)

    def suspend(self) -> list[Operation]:
        """Nothing marks a wait; the reply's `finish` has been said."""
        return self._close_all()

    def end(
        self, reason: RunReason, *, code: int | None = None, message: str | None = None
    ) -> list[Operation]:
        """Close what is open, and say a terminal message unless a chunk did."""
        operations = self._close_all()
        if self._over:
            return operations
        if reason == "cancelled":
            return [*operations, *self._whole(c.Abort())]
        if reason == "error":
            return [*operations, *self._whole(c.Error(error_text=message or "the agent failed"))]
        return [*operations, *self._whole(c.Finish(finish_reason="stop"))]

    def acknowledged(self, key: str, serial: str) -> list[Operation]:
        """Nothing is held for a serial."""
        return []

    def repair(self, key: str) -> Update | None:
        """Give the cumulative update that makes up for a rejected append."""
        known = self._by_key.get(key)
        if known is None:
            return None
        event = f"{known.kind}-{'delta' if known in self._open.values() else 'end'}"
        text = "".join(known.pieces)
        return Update(key=key, data=text, extras=self._extras, metadata={"event": event})

    def _begin(self, part: str, kind: str, name: str) -> Operation:
        key = f"{self._prompt_id}#{len(self._by_key)}"
        self._open[part] = self._by_key[key] = _Open(key, kind, [], name=name)
        message = OutboundMessage(name=name, data="", extras=self._extras)
        return Publish(messages=(message,), key=key)

    def _grow(self, part: str, text: str) -> list[Operation]:
        known = self._open.get(part)
        if known is None:
            return []
        known.pieces.append(text)
        return [self._append(known, text, "delta")]

    def _finish(self, part: str) -> list[Operation]:
        known = self._open.pop(part, None)
        return [] if known is None else [self._append(known, "", "end")]

    def _append(self, known: _Open, text: str, event: str) -> Operation:
        metadata = {"event": f"{known.kind}-{event}"}
        return Append(key=known.key, data=text, extras=self._extras, metadata=metadata)

    def _close_all(self) -> list[Operation]:
        return [operation for part in list(self._open) for operation in self._finish(part)]

    def _input(self, chunk: c.ToolInputAvailable) -> list[Operation]:
        known = self._open.get(chunk.tool_call_id)
        if known is not None:
            known.input = chunk.input
            operations: list[Operation] = []
            if not known.pieces and chunk.input is not c.ABSENT:
                operations += self._grow(chunk.tool_call_id, json.dumps(chunk.input))
            return [*operations, *self._finish(chunk.tool_call_id)]
        name = f"tool:{chunk.tool_call_id}:{chunk.tool_name}"
        self._begin(chunk.tool_call_id, "tool-input", name)
        known = self._tools[chunk.tool_call_id] = self._open.pop(chunk.tool_call_id)
        known.input = chunk.input
        headers = {**self._extras["headers"], "event": "tool-input-available"}
        given = {} if chunk.input is c.ABSENT else chunk.input
        message = OutboundMessage(name=name, data=json.dumps(given), extras={"headers": headers})
        return [Publish(messages=(message,), key=known.key)]

    def _fate(self, chunk: UIMessageChunk) -> Operation:
        call: str = chunk.tool_call_id  # type: ignore[attr-defined]  # each class in the table has it
        fields: dict[str, JSON] = msgspec.to_builtins(chunk)
        fields = {k: v for k, v in fields.items() if k not in ("type", "toolCallId")}
        name = f"{_TOOL_FATES[type(chunk)]}:{call}"
        known = self._tools.get(call)
        self._open.pop(call, None)
        if known is None:
            message = OutboundMessage(name=name, data=json.dumps(fields), extras=self._extras)
            return Publish(messages=(message,))
        fields.setdefault("toolName", (known.name or "").split(":", 2)[-1])
        if known.input is not c.ABSENT:
            fields.setdefault("input", known.input)
        return Update(key=known.key, name=name, data=json.dumps(fields), extras=self._extras)

    def _whole(self, chunk: UIMessageChunk) -> list[Operation]:
        name = _WHOLE.get(type(chunk))
        if isinstance(chunk, c.DataChunk):
            name = chunk.type
        if name is None:
            return []
        self._over = self._over or c.is_terminal(chunk)
        fields: dict[str, JSON] = msgspec.to_builtins(chunk)
        fields.pop("type", None)
        if isinstance(chunk, c.Error) and not self._says_error:
            name, fields = "abort", {"reason": chunk.error_text, **fields}
        data = json.dumps(fields) if fields else None
        return [Publish(messages=(OutboundMessage(name=name, data=data, extras=self._extras),))]


class AiSdkInputEncoder:
    """The client's end.

    Args:
        new_id: Gives prompt ids.
    """

    def __init__(self, *, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def user_message(self, message: UIMessage) -> EncodedInput:
        """Say something, or give a changed assistant message back (tool outputs, approvals)."""
        data = json.dumps({"message": message.to_wire()}, ensure_ascii=False)
        return self._encoded("chat-message", self._new_id(), data)

    def regenerate(self, message_id: str | None = None) -> EncodedInput:
        """Ask for another answer in place of a message; of the last one, if none is named."""
        fields = {} if message_id is None else {"messageId": message_id}
        return self._encoded("regenerate", self._new_id(), json.dumps(fields))

    def cancel(self, prompt_id: str | None = None) -> EncodedInput:
        """Ask that the reply under way end."""
        return self._encoded("user-abort", prompt_id, None)

    def _encoded(self, name: str, prompt_id: str | None, data: str | None) -> EncodedInput:
        headers = {"role": "user"} if prompt_id is None else {"role": "user", "promptId": prompt_id}
        message = OutboundMessage(name=name, data=data, extras={"headers": headers})
        input_id = prompt_id or ""
        return EncodedInput(
            operation=Publish(messages=(message,)), input_id=input_id, event_id=input_id
        )
