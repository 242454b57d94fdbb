"""UI message chunks in the codec tier: one row for each kind.

Rule: a new kind is a new row. Kinds and headers that 0.8.0 lacks are added only where its readers
ignore them: whole chunks under their own name, extra headers beside the known ones.
Source: @ably/ai-transport 0.8.0, `vercel/codec/outputs.ts`; wire measured with the npm package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import msgspec

from .... import chunks as c
from ....chunks import ABSENT, UIMessageChunk
from ....errors import LocalProtocolError
from . import headers as h
from .fields import Field, read_fields, write_fields
from .payload import Close, Grow, InputWords, Open, Payload, StreamView, Whole

__all__ = ["UIChunkCodec"]

JSON: TypeAlias = Any  # any JSON value
_META = Field("provider_metadata", h.PROVIDER_METADATA, "json")
_MESSAGE_META = Field("message_metadata", h.MESSAGE_METADATA, "json")
_ID = Field("id", "id")
_TEXT_END = (_ID, _META, Field("citations", "citations", "json"))  # citations are ours
_CALL = Field("tool_call_id", "toolCallId", default="")
_TOOL = Field("tool_name", "toolName", default="")
_DYNAMIC = Field("dynamic", "dynamic", "flag")
_TITLE = Field("title", "title")
_PROVIDER_RAN = Field("provider_executed", "providerExecuted", "flag")
_TOOL_META = Field("tool_metadata", "toolMetadata", "json")  # ours: 0.8.0 readers ignore it
_TOOL_INPUT = (
    _CALL, _TOOL, _DYNAMIC, _TITLE, _PROVIDER_RAN, _META, _TOOL_META,
    Field("input_encoding", "inputEncoding"),  # ours
)  # fmt: skip
_TOOL_CLOSE = (_CALL, _TOOL, _META)
_TOOL_WHOLE = _TOOL_INPUT[:-1]
_TOOL_OUTPUT = (_CALL, _DYNAMIC, _PROVIDER_RAN, _META, _TOOL_META)
_MEDIA = Field("media_type", "mediaType", default="")
_SOURCE = Field("source_id", "sourceId", default="")
_DATA = (_ID, Field("transient", "transient", "flag"))
_FINISH_REASONS = frozenset(get_args(c.FinishReason))

Read: TypeAlias = Callable[[JSON], dict[str, JSON]]
Write: TypeAlias = Callable[[Any], JSON]


def _no_data(_chunk: object) -> str:
    return ""


def _ignore(_data: JSON) -> dict[str, JSON]:
    return {}


def _text_as(attribute: str) -> Read:
    return lambda data: {attribute: data if isinstance(data, str) else ""}


def _reason(data: JSON) -> dict[str, JSON]:
    return {"reason": data} if isinstance(data, str) and data else {}


def _wrapped(*attributes: tuple[str, str, JSON]) -> tuple[Write, Read]:
    """Give the two directions of an object of (key, attribute, default)."""

    def write(chunk: object) -> JSON:
        pairs = ((key, getattr(chunk, attribute)) for key, attribute, _ in attributes)
        return {key: value for key, value in pairs if value is not ABSENT}

    def read(data: JSON) -> dict[str, JSON]:
        known = data if isinstance(data, Mapping) else {}
        return {attribute: known.get(key, default) for key, attribute, default in attributes}

    return write, read


@dataclass(frozen=True, slots=True)
class _Row:
    chunk: type[UIMessageChunk]
    fields: tuple[Field, ...] = ()
    write: Write = _no_data
    read: Read = _ignore


_OUTPUT = _wrapped(("output", "output", ABSENT))
_FAILED = _wrapped(("errorText", "error_text", ""))
_BAD_INPUT = _wrapped(("errorText", "error_text", ""), ("input", "input", ABSENT))

_ROWS: dict[str, _Row] = {
    row.chunk.type: row
    for row in (
        _Row(c.Start, (Field("message_id", "messageId"), _MESSAGE_META)),
        _Row(c.StartStep),
        _Row(c.FinishStep),
        _Row(c.Finish, (Field("finish_reason", "finishReason", default="stop"), _MESSAGE_META)),
        _Row(c.MessageMetadata, (_MESSAGE_META,)),
        _Row(c.Error, (), lambda x: x.error_text, _text_as("error_text")),
        _Row(c.Abort, (), lambda x: "" if x.reason is ABSENT else x.reason, _reason),
        _Row(c.File, (_MEDIA, _META), lambda x: x.url, _text_as("url")),
        _Row(c.SourceUrl, (_SOURCE, _TITLE, _META), lambda x: x.url, _text_as("url")),
        _Row(
            c.SourceDocument,
            (
                _SOURCE,
                _MEDIA,
                Field("title", "title", default=""),
                Field("filename", "filename"),
                _META,
            ),
        ),
        _Row(c.ToolInputError, _TOOL_WHOLE, *_BAD_INPUT),
        _Row(
            c.ToolOutputAvailable,
            (*_TOOL_OUTPUT, Field("preliminary", "preliminary", "flag")),
            *_OUTPUT,
        ),
        _Row(c.ToolOutputError, _TOOL_OUTPUT, *_FAILED),
        _Row(
            c.ToolApprovalRequest,
            (
                _CALL,
                Field("approval_id", "approvalId", default=""),
                Field("reason", "reason"),  # this and the rest are ours
                Field("is_automatic", "isAutomatic", "flag"),
                Field("signature", "signature"),
                Field("approval_descriptor", "approvalDescriptor", "json"),
                Field("input_schema_input", "inputSchemaInput", "json"),
            ),
        ),
        _Row(c.ToolOutputDenied, (_CALL,)),
    )
}
_REQUIRED_META = frozenset({"message-metadata"})


class UIChunkCodec:
    """Chunks of the UI message stream (`vercel-ai-sdk-ui-message`)."""

    words = InputWords()

    def encode(self, chunk: UIMessageChunk, message_id: str) -> Sequence[Payload]:
        """Say what to send; see `PayloadCodec.encode`."""
        encode = _ENCODERS.get(type(chunk))
        return (_whole(chunk, message_id) if encode is None else encode(chunk),)

    def start(self, stream: StreamView) -> Sequence[UIMessageChunk]:
        """Give the chunks of a stream's begin."""
        kind = stream.codec.get(h.KIND)
        if kind == "tool-input":
            values = read_fields(_TOOL_INPUT, stream.codec)
            return (c.ToolInputStart(**values),)
        if kind == "text":
            return (c.TextStart(id=_id(stream), **read_fields((_META,), stream.codec)),)
        if kind == "reasoning":
            return (c.ReasoningStart(id=_id(stream), **read_fields((_META,), stream.codec)),)
        return ()

    def delta(self, stream: StreamView, text: str) -> Sequence[UIMessageChunk]:
        """Give the chunks of more text."""
        kind = stream.codec.get(h.KIND)
        if kind == "text":
            return (c.TextDelta(id=stream.codec.get("id", stream.stream_id), delta=text),)
        if kind == "reasoning":
            return (c.ReasoningDelta(id=_id(stream), delta=text),)
        if kind == "tool-input":
            call = stream.codec.get("toolCallId", "")
            return (c.ToolInputDelta(tool_call_id=call, input_text_delta=text),)
        return ()

    def end(self, stream: StreamView) -> Sequence[UIMessageChunk]:
        """Give the chunks of a stream's completion."""
        kind = stream.codec.get(h.KIND)
        closing = stream.closing or {}
        if kind == "text":
            return (c.TextEnd(id=_id(stream), **read_fields(_TEXT_END[1:], closing)),)
        if kind == "reasoning":
            return (c.ReasoningEnd(id=_id(stream), **read_fields((_META,), closing)),)
        if kind == "tool-input":
            values = read_fields(_TOOL_WHOLE, {**stream.codec, **closing})
            values.pop("provider_metadata", None)
            values |= read_fields((_META,), closing)
            values["tool_call_id"] = stream.stream_id
            return (c.ToolInputAvailable(input=_json_or_text(stream.text), **values),)
        return ()

    def whole(self, codec: Mapping[str, str], data: JSON) -> Sequence[UIMessageChunk]:
        """Give the chunks of a discrete message."""
        kind = codec.get(h.KIND, "")
        row = _ROWS.get(kind)
        if row is not None:
            values = read_fields(row.fields, codec) | row.read(data)
            if kind == "finish" and values["finish_reason"] not in _FINISH_REASONS:
                values["finish_reason"] = "stop"
            if kind in _REQUIRED_META:
                values.setdefault("message_metadata", ABSENT)
            return (row.chunk(**values),)
        if kind == "tool-input":
            values = read_fields(_TOOL_INPUT, codec)
            start = c.ToolInputStart(**values)
            values.pop("input_encoding", None)
            given = ABSENT if data is None else data
            return (start, c.ToolInputAvailable(input=given, **values))
        if kind.startswith("data-"):
            return (c.DataChunk(type=kind, data=data, **read_fields(_DATA, codec)),)
        return _own_kind(codec, data)


def _id(stream: StreamView) -> str:
    return stream.codec.get("id", stream.stream_id)


def _text_start(chunk: c.TextStart) -> Payload:
    return Open(chunk.id, write_fields((_ID, _META), chunk, {h.KIND: "text"}))


def _text_delta(chunk: c.TextDelta | c.ReasoningDelta) -> Payload:
    return Grow(chunk.id, chunk.delta)


def _text_end(chunk: c.TextEnd) -> Payload:
    return Close(chunk.id, write_fields(_TEXT_END, chunk, {}))


def _reasoning_start(chunk: c.ReasoningStart) -> Payload:
    return Open(chunk.id, write_fields((_ID, _META), chunk, {h.KIND: "reasoning"}))


def _reasoning_end(chunk: c.ReasoningEnd) -> Payload:
    return Close(chunk.id, write_fields((_ID, _META), chunk, {}))


def _tool_start(chunk: c.ToolInputStart) -> Payload:
    codec = write_fields(_TOOL_INPUT, chunk, {h.KIND: "tool-input"})
    return Open(chunk.tool_call_id, codec)


def _tool_delta(chunk: c.ToolInputDelta) -> Payload:
    return Grow(chunk.tool_call_id, chunk.input_text_delta)


def _tool_input(chunk: c.ToolInputAvailable) -> Close:
    overlay = write_fields(_TOOL_CLOSE, chunk, {})
    whole = write_fields(_TOOL_WHOLE, chunk, {h.KIND: "tool-input"})
    given = chunk.input
    text = "" if given is ABSENT else msgspec.json.encode(given).decode()
    otherwise: tuple[Payload, ...]
    if isinstance(given, Mapping | list | str):
        otherwise = (Whole(whole, given),)
    else:  # Ably carries no bare number, boolean or null; a stream's text does
        otherwise = (Open(chunk.tool_call_id, whole), Close(chunk.tool_call_id, overlay, text))
    return Close(chunk.tool_call_id, overlay, text, otherwise)


def _whole(chunk: UIMessageChunk, message_id: str) -> Whole:
    row = _ROWS.get(chunk.type)
    if row is not None:
        codec = write_fields(row.fields, chunk, {h.KIND: chunk.type})
        if isinstance(chunk, c.Start):
            codec.setdefault("messageId", message_id)
        return Whole(codec, row.write(chunk))
    if isinstance(chunk, c.DataChunk):
        _require_payload(chunk)
        codec = write_fields(_DATA, chunk, {h.KIND: chunk.type})
        return Whole(codec, chunk.data, ephemeral=chunk.transient is True)
    # A kind of ours: 0.8.0 readers ignore kinds that they do not know (measured).
    if isinstance(chunk, c.OpaqueChunk):
        return Whole({h.KIND: chunk.type, _OPAQUE: h.TRUE}, dict(chunk.fields))
    fields: JSON = msgspec.to_builtins(chunk)
    fields.pop("type", None)
    return Whole({h.KIND: chunk.type}, fields)


def _require_payload(chunk: c.DataChunk) -> None:
    if not isinstance(chunk.data, str | Mapping | list):
        raise LocalProtocolError(
            f"unable to send {chunk.type!r}; its data is {chunk.data!r}, and Ably carries only "
            "strings, objects and lists: wrap the value in an object"
        )


def _own_kind(codec: Mapping[str, str], data: JSON) -> Sequence[UIMessageChunk]:
    """Read a kind that only our encoder writes; other kinds give nothing, as in JavaScript."""
    kind = codec.get(h.KIND, "")
    if not isinstance(data, Mapping):
        return ()
    if codec.get(_OPAQUE) == h.TRUE:
        return (c.OpaqueChunk(type=kind, fields=dict(data)),)
    if kind not in _OWN_KINDS:
        return ()
    try:
        return (msgspec.convert({**data, "type": kind}, c.CHUNK_TYPES[kind]),)
    except msgspec.ValidationError:
        return ()


_OPAQUE = "opaque"
_OWN_KINDS = frozenset(
    {"reset-step", "custom", "reasoning-file", "steering-message", "tool-approval-response"}
)


def _json_or_text(text: str) -> JSON:
    if not text:
        return ABSENT
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


_ENCODERS: Mapping[type[UIMessageChunk], Callable[[Any], Payload]] = {
    c.TextStart: _text_start,
    c.TextDelta: _text_delta,
    c.TextEnd: _text_end,
    c.ReasoningStart: _reasoning_start,
    c.ReasoningDelta: _text_delta,
    c.ReasoningEnd: _reasoning_end,
    c.ToolInputStart: _tool_start,
    c.ToolInputDelta: _tool_delta,
    c.ToolInputAvailable: _tool_input,
}
"""Chunks that are streamed; all others are discrete."""
