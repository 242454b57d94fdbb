"""The wire of `ably-ai-sdk-transport`, the older drop-in transport for `useChat`: both encoders.

Rule: data is JSON text; text, reasoning and tools are messages grown by appends whose
`version.metadata.event` says what happened; a tool's fate updates the tool's message, also when a
later reply brings it. Beside what that package writes we add `toolName` and `input` to those
updates, which replace them, and headers that it ignores: `id`, `toolMetadata`, `citations`.
Source: github.com/ably-labs/ably-ai-sdk-transport at 9a5620a, `publishToAbly.ts`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from ... import chunks as c
from ...chunks import UIMessageChunk
from ...messages import UIMessage
from .ai_transport.facts import RunReason
from .ai_transport.fields import Field, write_fields
from .ai_transport.input_encoder import EncodedInput
from .operations import Append, Operation, OutboundMessage, Publish, Update

__all__ = ["CALL_FIELDS", "DROPS", "WORD_FIELDS", "AiSdkEncoder", "AiSdkInputEncoder", "KnownCall"]

JSON: TypeAlias = Any  # any JSON value
_META = Field("provider_metadata", "providerMetadata", "json")
WORD_FIELDS: Final = (Field("id", "id"), _META)
"""Headers of text and reasoning."""
_WORD_END = (_META, Field("citations", "citations", "json"))
CALL_FIELDS: Final = (
    Field("dynamic", "dynamic", "flag"),
    Field("title", "title"),
    Field("provider_executed", "providerExecuted", "flag"),
    _META,
    Field("tool_metadata", "toolMetadata", "json"),
    Field("input_encoding", "inputEncoding"),
)
"""Headers of a tool call."""
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
    c.ToolOutputDenied: "tool-denied",
    c.ToolInputError: "tool-error",
}
DROPS: Final = frozenset(
    {"reset-step", "custom", "reasoning-file", "steering-message", "tool-approval-response"}
)
"""Chunk types that this wire has no message for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCall:
    """A call of an earlier reply, whose fate may come with this one.

    Attributes:
        serial: Its message.
        headers: As it was published, without role and prompt.
    """

    serial: str
    tool_name: str
    input: JSON
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Open:
    key: str
    kind: str
    pieces: list[str]
    extras: Mapping[str, JSON]
    tool_name: str = ""
    input: JSON = c.ABSENT


class AiSdkEncoder:
    """The agent's end of one reply.

    Args:
        prompt_id: The prompt that is answered.
        new_id: Gives ids for text and reasoning messages.
        says_error: Say a failure by a message named `error`, as that package does. Off says it as
            an `abort` with `errorText`: ably-python loses whole frames to a message named `error`.
        calls: Calls of the message that the reply goes on with, by id.
    """

    def __init__(
        self,
        prompt_id: str,
        *,
        new_id: Callable[[], str],
        says_error: bool = True,
        calls: Mapping[str, KnownCall] | None = None,
    ) -> None:
        self._new_id = new_id
        self._says_error = says_error
        self._prompt_id = prompt_id
        self._headers = {"role": "assistant", "promptId": prompt_id}
        self._extras: dict[str, JSON] = {"headers": self._headers}
        self._open: dict[str, _Open] = {}
        self._tools: dict[str, _Open] = {}
        self._by_key: dict[str, _Open] = {}
        self._known = calls or {}
        for call_id, call in self._known.items():
            extras = {"headers": {**call.headers, **self._headers}}
            known = _Open(f"known:{call_id}", "tool-input", [], extras, call.tool_name, call.input)
            self._tools[call_id] = known
        self._over = False

    def start(self) -> list[Operation]:
        """Nothing announces a reply but its `start` chunk."""
        return []

    def continued(self) -> Sequence[tuple[str, str, str]]:
        """Give key, serial and text of the calls whose fate may come now."""
        return [(f"known:{call_id}", call.serial, "") for call_id, call in self._known.items()]

    def encode(self, chunk: UIMessageChunk) -> list[Operation]:
        """Say a chunk; what this wire has no message for is dropped."""
        if isinstance(chunk, c.TextDelta | c.ReasoningDelta):
            return self._grow(chunk.id, chunk.delta)
        if isinstance(chunk, c.TextStart | c.ReasoningStart):
            kind = "text" if isinstance(chunk, c.TextStart) else "reasoning"
            headers = write_fields(WORD_FIELDS, chunk, dict(self._headers))
            return [self._begin(chunk.id, kind, f"{kind}:{self._new_id()}", headers)]
        if isinstance(chunk, c.TextEnd):
            return self._finish(chunk.id, write_fields(_WORD_END, chunk, {}))
        if isinstance(chunk, c.ReasoningEnd):
            return self._finish(chunk.id, write_fields((_META,), chunk, {}))
        if isinstance(chunk, c.ToolInputStart):
            return [self._begin_call(chunk)]
        if isinstance(chunk, c.ToolInputDelta):
            return self._grow(chunk.tool_call_id, chunk.input_text_delta)
        if isinstance(chunk, c.ToolInputAvailable):
            return self._input(chunk)
        if type(chunk) in _TOOL_FATES:
            return self._fate(chunk)
        return self._whole(chunk)

    def refuse(self, error: c.Error) -> Publish:
        """Say that the prompt itself is not believed: nothing of it holds."""
        (publish,) = self._whole(error)
        assert isinstance(publish, Publish)
        (message,) = publish.messages
        extras = {"headers": {**self._headers, "refused": "true"}}
        return Publish(messages=(msgspec.structs.replace(message, extras=extras),))

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
        return Update(key=key, data=text, extras=known.extras, metadata={"event": event})

    # -- grown messages ----------------------------------------------------------

    def _begin(self, part: str, kind: str, name: str, headers: Mapping[str, str]) -> Operation:
        key = f"{self._prompt_id}#{len(self._by_key)}"
        known = _Open(key, kind, [], {"headers": headers})
        self._open[part] = self._by_key[key] = known
        message = OutboundMessage(name=name, data="", extras=known.extras)
        return Publish(messages=(message,), key=key)

    def _begin_call(self, chunk: c.ToolInputStart | c.ToolInputError) -> Operation:
        fields = CALL_FIELDS if isinstance(chunk, c.ToolInputStart) else CALL_FIELDS[:-1]
        headers = write_fields(fields, chunk, dict(self._headers))
        name = f"tool:{chunk.tool_call_id}:{chunk.tool_name}"
        publish = self._begin(chunk.tool_call_id, "tool-input", name, headers)
        call = self._tools[chunk.tool_call_id] = self._open[chunk.tool_call_id]
        call.tool_name = chunk.tool_name
        return publish

    def _grow(self, part: str, text: str) -> list[Operation]:
        known = self._open.get(part)
        if known is None:
            return []
        known.pieces.append(text)
        return [self._append(known, text, "delta")]

    def _finish(self, part: str, more: Mapping[str, str] | None = None) -> list[Operation]:
        known = self._open.pop(part, None)
        if known is None:
            return []
        if more:
            known.extras = {"headers": {**known.extras["headers"], **more}}
        return [self._append(known, "", "end")]

    def _append(self, known: _Open, text: str, event: str) -> Operation:
        metadata = {"event": f"{known.kind}-{event}"}
        return Append(key=known.key, data=text, extras=known.extras, metadata=metadata)

    def _close_all(self) -> list[Operation]:
        return [operation for part in list(self._open) for operation in self._finish(part)]

    # -- tools -------------------------------------------------------------------

    def _input(self, chunk: c.ToolInputAvailable) -> list[Operation]:
        known = self._open.get(chunk.tool_call_id)
        headers = write_fields(CALL_FIELDS[:-1], chunk, {})
        if known is not None:
            known.input = chunk.input
            operations: list[Operation] = []
            if not known.pieces and chunk.input is not c.ABSENT:
                operations += self._grow(chunk.tool_call_id, _json(chunk.input))
            return [*operations, *self._finish(chunk.tool_call_id, headers)]
        name = f"tool:{chunk.tool_call_id}:{chunk.tool_name}"
        self._begin(chunk.tool_call_id, "tool-input", name, {**self._headers, **headers})
        known = self._tools[chunk.tool_call_id] = self._open.pop(chunk.tool_call_id)
        known.tool_name, known.input = chunk.tool_name, chunk.input
        given = {} if chunk.input is c.ABSENT else chunk.input
        extras = {"headers": {**known.extras["headers"], "event": "tool-input-available"}}
        message = OutboundMessage(name=name, data=_json(given), extras=extras)
        return [Publish(messages=(message,), key=known.key)]

    def _fate(self, chunk: UIMessageChunk) -> list[Operation]:
        call: str = chunk.tool_call_id  # type: ignore[attr-defined]  # each class in the table has it
        operations: list[Operation] = []
        if call not in self._tools and isinstance(chunk, c.ToolInputError):
            operations.append(self._begin_call(chunk))
        known = self._tools.get(call)
        self._open.pop(call, None)
        fields = _fields(chunk)
        fields.pop("toolCallId")
        name = f"{_TOOL_FATES[type(chunk)]}:{call}"
        if known is None:  # the call is not on the channel: nobody could show it
            message = OutboundMessage(name=name, data=_json(fields), extras=self._extras)
            return [Publish(messages=(message,))]
        fields.setdefault("toolName", known.tool_name)
        if known.input is not c.ABSENT:
            fields.setdefault("input", known.input)
        extras = known.extras
        if isinstance(chunk, c.ToolInputError):
            extras = {"headers": {**extras["headers"], "event": "tool-input-error"}}
        update = Update(key=known.key, name=name, data=_json(fields), extras=extras)
        return [*operations, update]

    # -- whole messages ----------------------------------------------------------

    def _whole(self, chunk: UIMessageChunk) -> list[Operation]:
        name = _WHOLE.get(type(chunk))
        fields = _fields(chunk)
        extras = self._extras
        if isinstance(chunk, c.DataChunk):
            name = chunk.type
            if fields.pop("transient", False):
                extras = {**extras, "ephemeral": True}
        elif isinstance(chunk, c.ToolApprovalRequest):
            name = f"tool-approval:{fields.pop('toolCallId')}"
        if name is None:
            return []
        self._over = self._over or c.is_terminal(chunk)
        if isinstance(chunk, c.Error) and not self._says_error:
            name, fields = "abort", {"reason": chunk.error_text, **fields}
        data = _json(fields) if fields else None
        return [Publish(messages=(OutboundMessage(name=name, data=data, extras=extras),))]


def _fields(chunk: UIMessageChunk) -> dict[str, JSON]:
    fields: dict[str, JSON] = msgspec.to_builtins(chunk)
    fields.pop("type", None)
    return fields


class AiSdkInputEncoder:
    """The client's end.

    Args:
        new_id: Gives prompt ids.
    """

    def __init__(self, *, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def user_message(self, message: UIMessage) -> EncodedInput:
        """Say something, or give a changed assistant message back (tool outputs, approvals)."""
        data = _json({"message": message.to_wire()})
        return self._encoded("chat-message", self._new_id(), data)

    def regenerate(self, message_id: str | None = None) -> EncodedInput:
        """Ask for another answer in place of a message; of the last one, if none is named."""
        fields = {} if message_id is None else {"messageId": message_id}
        return self._encoded("regenerate", self._new_id(), _json(fields))

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


def _json(value: JSON) -> str:
    """Write as JavaScript does: a letter beyond ASCII is not six."""
    return json.dumps(value, ensure_ascii=False)
