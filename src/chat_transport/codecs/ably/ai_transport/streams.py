"""Streamed messages as a writer sees them: created empty, grown by appends, closed once.

Rule: every append repeats all headers, because an append replaces the stored extras; no message
grows past the limit.
Source: @ably/ai-transport 0.8.0, `core/codec/encoder.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ....errors import LocalProtocolError
from ..operations import Append, Operation, OutboundMessage, Publish, Update
from . import headers as h
from .payload import Close

__all__ = ["MESSAGE_LIMIT_BYTES", "StreamWriter"]

JSON: TypeAlias = Any  # any JSON value

MESSAGE_LIMIT_BYTES = 65_536
"""Ably's default limit for one message, grown text included (ably.com/docs/general/limits)."""
_HEADROOM_BYTES = 1_536
"""Left for the extras, which count too: about 600 bytes measured, and long ids."""


@dataclass(slots=True)
class _Stream:
    key: str
    stream_id: str
    transport: dict[str, str]
    codec: dict[str, str]
    extras: dict[str, JSON]
    size: int = 0
    part: int = 0
    open: bool = True
    pieces: list[str] = field(default_factory=list[str])


class StreamWriter:
    """The streams of one invocation.

    Args:
        new_key: Gives the keys of publishes.
        limit_bytes: What one message may hold, extras included.
    """

    def __init__(self, new_key: Callable[[], str], *, limit_bytes: int) -> None:
        self._new_key = new_key
        self._limit = limit_bytes - _HEADROOM_BYTES
        self._open: dict[str, _Stream] = {}
        self._streams: dict[str, _Stream] = {}

    def open(
        self, stream_id: str, codec: dict[str, str], output: Mapping[str, str], *, part: int = 0
    ) -> list[Operation]:
        """Create a stream under the headers `output`; an open one of that id is completed."""
        operations: list[Operation] = []
        before = self._open.pop(stream_id, None)
        if before is not None:
            operations.append(_finish(before, h.COMPLETE, {}, ""))
        name = stream_id if part == 0 else f"{stream_id}~{part + 1}"
        if part:
            codec = {**codec, "id": name}
        transport = {**output, h.STREAM: h.TRUE, h.STATUS: h.STREAMING, h.STREAM_ID: name}
        extras = h.envelope(transport, codec)
        stream = _Stream(self._new_key(), name, transport, codec, extras, part=part)
        self._open[stream_id] = self._streams[stream.key] = stream
        message = OutboundMessage(name=h.OUTPUT, data="", extras=extras)
        return [*operations, Publish(messages=(message,), key=stream.key)]

    def grow(self, stream_id: str, text: str) -> list[Operation]:
        """Append; nothing is awaited."""
        stream = self._open.get(stream_id)
        if stream is None:
            raise LocalProtocolError(f"unable to append to {stream_id!r}; no such stream is open")
        size = len(text) if text.isascii() else len(text.encode())
        if stream.size + size > self._limit:
            return self._split(stream_id, text, stream)
        stream.size += size
        stream.pieces.append(text)
        return [Append(key=stream.key, data=text, extras=stream.extras)]

    def close(self, payload: Close) -> list[Operation] | None:
        """Complete a stream; None if no such stream is open."""
        stream = self._open.pop(payload.stream_id, None)
        if stream is None:
            return None
        overlay = payload.overlay
        if stream.part:
            overlay = {**overlay, "id": stream.stream_id}
        text = "" if stream.pieces else payload.text_if_empty
        self.require_size(text, payload.stream_id)
        return [_finish(stream, h.COMPLETE, overlay, text)]

    def cancel_all(self) -> list[Operation]:
        """Close what is open, as cancelled: nobody said that it is complete.

        A tool's input closed as complete would be read as a call that is ready to run.
        """
        streams = list(self._open.values())
        self._open.clear()
        return [_finish(stream, h.CANCELLED, {}, "") for stream in streams]

    def repair(self, key: str) -> Update | None:
        """Give the cumulative update for a stream; None if `key` is none."""
        stream = self._streams.get(key)
        if stream is None:
            return None
        return Update(key=key, data="".join(stream.pieces), extras=stream.extras)

    def settled(self, key: str) -> None:
        """Forget a closed stream."""
        stream = self._streams.get(key)
        if stream is not None and not stream.open:
            del self._streams[key]

    def require_size(self, text: str, what: str) -> None:
        """Refuse what no message can hold.

        Raises:
            LocalProtocolError: If `text` is too large.
        """
        size = len(text.encode())
        if size > self._limit:
            raise LocalProtocolError(
                f"unable to send {what!r}; its {size} bytes exceed the {self._limit} that one "
                "message may hold: send a URL instead of the content, or less of it"
            )

    def _split(self, stream_id: str, text: str, stream: _Stream) -> list[Operation]:
        """Go on in a further stream; readers show it as another part."""
        if "id" not in stream.codec:
            raise LocalProtocolError(
                f"unable to stream the input of tool call {stream_id!r}; it is larger than "
                f"the {self._limit} bytes that one message may hold"
            )
        operations: list[Operation] = []
        while text:
            head = text.encode()[: self._limit - stream.size].decode(errors="ignore")
            if head:
                operations += self.grow(stream_id, head)
                text = text[len(head) :]
            if text:
                output = {
                    key: value
                    for key, value in stream.transport.items()
                    if key not in (h.STREAM, h.STATUS, h.STREAM_ID)
                }
                operations += self.open(stream_id, stream.codec, output, part=stream.part + 1)
                stream = self._open[stream_id]
        return operations


def _finish(stream: _Stream, status: str, overlay: dict[str, str], text: str) -> Append:
    stream.open = False
    if text:
        stream.pieces.append(text)
    stream.extras = h.envelope({**stream.transport, h.STATUS: status}, {**stream.codec, **overlay})
    return Append(key=stream.key, data=text, extras=stream.extras)
