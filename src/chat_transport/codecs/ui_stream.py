"""UI message stream v1: chunks as JSON, and as server-sent events.

Rule: absent fields are left out, null is written only where the protocol allows any value; what is
read is checked as strictly as AI SDK clients check it.
Source: AI SDK 7.0.173 `uiMessageChunkSchema`, `JsonToSseTransformStream`, `DefaultChatTransport`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from .._nested_shapes import SteeringPart, check_nested, clean_citations
from .._strict_json import dumps, loads
from ..chunks import (
    ABSENT,
    CHUNK_TYPES,
    DataChunk,
    OpaqueChunk,
    TextDelta,
    TextEnd,
    UIMessageChunk,
)
from ..chunks import SteeringMessage as SteeringChunk
from ..errors import LocalProtocolError, RemoteProtocolError
from .sse import MAX_EVENT_BYTES, SseDecoder, encode_comment

__all__ = [
    "DONE",
    "KEEP_ALIVE",
    "RESPONSE_HEADERS",
    "STREAM_OPEN",
    "UIStreamDecoder",
    "chunk_to_wire",
    "decode_chunk",
    "encode_chunk",
    "encode_sse",
]

JSON: TypeAlias = Any  # any JSON value
UnknownTypes: TypeAlias = Literal["pass", "refuse"]

DONE = b"data: [DONE]\n\n"
"""Closes a stream that ended well; readers do not rely on it."""
STREAM_OPEN = encode_comment("stream-open")
"""Sent at once, so that proxies pass the response head on."""
KEEP_ALIVE = encode_comment("keep-alive")
"""Sent when nothing else was for a while, so that proxies do not cut the connection."""
RESPONSE_HEADERS: dict[str, str] = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",
}
"""Head of a streamed response; an application's own values win. HTTP/2 forbids `connection`."""

_encode = msgspec.json.Encoder().encode
_FIELDS: dict[str, frozenset[str]] = {
    name: frozenset(field.encode_name for field in msgspec.structs.fields(cls)) - {"__extra__"}
    for name, cls in CHUNK_TYPES.items()
}
"""Wire name of a chunk -> wire names of its fields, `type` not among them."""
_DATA_FIELDS = frozenset({"data", "id", "transient"})


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def encode_chunk(chunk: UIMessageChunk) -> bytes:
    """Write a chunk as compact JSON in UTF-8.

    Raises:
        LocalProtocolError: If a field holds what JSON cannot.
    """
    try:
        if chunk.extra is ABSENT and type(chunk) is not OpaqueChunk:
            return _encode(chunk)
        return dumps(chunk_to_wire(chunk))
    except UnicodeEncodeError:  # a lone surrogate; msgspec writes UTF-8 only
        return dumps(chunk_to_wire(chunk))
    except (TypeError, ValueError) as error:
        raise LocalProtocolError(f"unable to write chunk {chunk.type!r}; {error}") from error


def encode_sse(chunk: UIMessageChunk) -> bytes:
    """Write a chunk as one server-sent event.

    Raises:
        LocalProtocolError: If a field holds what JSON cannot.
    """
    if type(chunk) is TextDelta and chunk.extra is ABSENT:  # nearly all chunks there are
        try:
            return b"data: %b\n\n" % _encode(chunk)
        except UnicodeEncodeError:
            pass
    return b"data: %b\n\n" % encode_chunk(chunk)


def chunk_to_wire(chunk: UIMessageChunk) -> dict[str, JSON]:
    """Give the JSON object that stands for a chunk: camelCase, absent fields left out."""
    wire: dict[str, JSON] = msgspec.to_builtins(chunk)
    wire.pop("__extra__", None)
    if isinstance(chunk, OpaqueChunk):
        wire = {"type": chunk.type, **wire["fields"]}
    if chunk.extra is not ABSENT:
        wire.update(chunk.extra)
    return wire


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def decode_chunk(
    data: bytes | str | dict[str, JSON], *, unknown: UnknownTypes = "pass"
) -> UIMessageChunk:
    """Read one chunk from JSON text or from an object that was read already.

    Args:
        data: The JSON.
        unknown: What to do with a type that this version does not know: `pass` gives an
            `OpaqueChunk`; `refuse` raises, as every AI SDK client does.

    Raises:
        RemoteProtocolError: If it is not JSON, not a chunk, or a field is wrong. `data` holds it.
    """
    value: JSON = data
    if isinstance(data, str | bytes):
        try:
            value = loads(data)
        except ValueError as error:
            raise RemoteProtocolError(f"unable to read chunk; {error}", data=data) from error
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text-delta" and len(value) == 3:
        block, delta = value.get("id"), value.get("delta")
        if type(block) is str and type(delta) is str:
            return TextDelta(id=block, delta=delta)
    if not isinstance(kind, str):
        raise RemoteProtocolError(
            "unable to read chunk; expected an object with a `type` in words", data=value
        )
    cls = CHUNK_TYPES.get(kind)
    try:
        if cls is not None:
            return _read(cls, value)
        if kind.startswith("data-"):
            return _read_data(value)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(
            f"unable to read chunk {kind!r}; {_lower_first(str(error))}", data=value
        ) from error
    except UnicodeEncodeError as error:  # msgspec, where it expects one of a few words
        raise RemoteProtocolError(
            f"unable to read chunk {kind!r}; half a surrogate pair stands for a word", data=value
        ) from error
    if unknown == "refuse":
        raise RemoteProtocolError(f"unable to read chunk; unknown type {kind!r}", data=value)
    return OpaqueChunk(
        type=kind, fields={key: item for key, item in value.items() if key != "type"}
    )


class UIStreamDecoder:
    """Bytes of a response body in, chunks out.

    Args:
        unknown: As for `decode_chunk`.
        max_event_bytes: Bytes of one event before RemoteProtocolError; None for no bound.

    Attributes:
        done: `[DONE]` was seen. It ends nothing: later events are still read.
    """

    def __init__(
        self, *, unknown: UnknownTypes = "pass", max_event_bytes: int | None = MAX_EVENT_BYTES
    ) -> None:
        self.done = False
        self._unknown: UnknownTypes = unknown
        self._events = SseDecoder(max_event_bytes=max_event_bytes)
        self._error: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> list[UIMessageChunk]:
        """Give the chunks that `data` completes.

        Chunks before a bad one are given first; the error is raised by the next call of `feed` or
        `close`, or at once if nothing came before.

        Raises:
            RemoteProtocolError: If an event is not a chunk or is too large.
        """
        self.close()
        chunks: list[UIMessageChunk] = []
        try:
            for event in self._events.feed(data):
                if event.data == "[DONE]":
                    self.done = True
                else:
                    chunks.append(decode_chunk(event.data, unknown=self._unknown))
        except RemoteProtocolError as error:
            self._error = error
            if not chunks:
                raise
        return chunks

    def close(self) -> None:
        """End of the body: raise what `feed` held back. An unfinished last event is dropped.

        Raises:
            RemoteProtocolError: If an event before the end was bad.
        """
        if self._error is not None:
            raise self._error


def _read(cls: type[UIMessageChunk], value: dict[str, JSON]) -> UIMessageChunk:
    fields = _FIELDS[cls.type]
    known = value
    if not value.keys() <= fields | {"type"}:
        known = {key: item for key, item in value.items() if key in fields}
        known["type"] = value["type"]
        known["__extra__"] = {key: item for key, item in value.items() if key not in known}
    if cls is TextEnd and "citations" in value:
        known = {**known, "citations": clean_citations(value["citations"])}
    elif cls is SteeringChunk and "parts" in value:
        check_nested(value["parts"], list[SteeringPart])
    return msgspec.convert(known, cls)


def _read_data(value: dict[str, JSON]) -> DataChunk:
    extra = {key: item for key, item in value.items() if key not in _DATA_FIELDS and key != "type"}
    known = {key: item for key, item in value.items() if key in _DATA_FIELDS or key == "type"}
    if extra:
        known["__extra__"] = extra
    return msgspec.convert(known, DataChunk)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
