"""Deliveries into what they mean, whatever way the channel chose to deliver them.

Rule: the same delivery twice gives nothing new; a create, its appends, an update in their place and
the aggregate of history all end in the same chunks.
Source: @ably/ai-transport 0.8.0, `core/codec/decoder.ts`. Better than it in one point: an update
that does not extend the text replaces it, instead of being ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from ..operations import Inbound
from . import headers as h
from .input_events import InputEvent, decode_input
from .payload import PayloadCodec, StreamView

__all__ = ["Decoded", "Decoder"]

C = TypeVar("C")


class Decoded(msgspec.Struct, Generic[C], frozen=True):
    """What one delivery added.

    Attributes:
        transport: The message's transport headers; for an append those of its create, overlaid.
        stream: The streamed message that it belongs to; None for a discrete one.
        first: This is the first that was seen of the message.
        replaced: The text said so far was replaced; `stream.text` is the new one.
    """

    serial: str
    transport: Mapping[str, str]
    chunks: Sequence[C] = ()
    input: InputEvent | None = None
    stream: StreamView | None = None
    first: bool = False
    replaced: bool = False


class Decoder(Generic[C]):
    """Reads `ai-input` and `ai-output` messages in any form. Feed it deliveries in channel order.

    Different messages may come in any order (history pages backwards); versions of one message that
    are not newer than what was read are dropped.
    """

    def __init__(self, codec: PayloadCodec[C]) -> None:
        self._codec = codec
        self._streams: dict[str, StreamView] = {}
        self._seen: set[str] = set()

    def feed(self, inbound: Inbound) -> Decoded[C] | None:
        """Read one delivery; None if it adds nothing or is not of this wire."""
        stream = self._streams.get(inbound.serial)
        if stream is not None:
            if inbound.action == "append":
                return self._append(inbound, stream)
            if inbound.action == "update":
                return self._update(inbound, stream)
            if inbound.action == "delete":
                stream.closed = True
            return None
        if inbound.action not in ("create", "update", "append"):
            return None
        transport = h.transport_headers(inbound.extras)
        if transport is None or inbound.name not in (h.INPUT, h.OUTPUT, None):
            return None
        if transport.get(h.STREAM) == h.TRUE and inbound.name != h.INPUT:
            return self._first_contact(inbound, transport)
        return self._discrete(inbound, transport)

    def _discrete(self, inbound: Inbound, transport: Mapping[str, str]) -> Decoded[C] | None:
        if inbound.serial in self._seen:
            return None
        self._seen.add(inbound.serial)
        codec = h.codec_headers(inbound.extras)
        if inbound.name == h.INPUT:
            event = decode_input(transport, codec, inbound.data, self._codec.words)
            return Decoded(inbound.serial, transport, input=event, first=True)
        chunks = self._codec.whole(codec, inbound.data)
        return Decoded(inbound.serial, transport, chunks=chunks, first=True)

    def _first_contact(self, inbound: Inbound, transport: Mapping[str, str]) -> Decoded[C]:
        stream = StreamView(
            serial=inbound.serial,
            name=inbound.name or h.OUTPUT,
            stream_id=transport.get(h.STREAM_ID, ""),
            transport=transport,
            codec=h.codec_headers(inbound.extras),
            version=inbound.version or inbound.serial,
        )
        self._streams[inbound.serial] = stream
        chunks = list(self._codec.start(stream))
        text = inbound.data
        if isinstance(text, str) and text:  # an aggregate may come as update or as create
            stream.pieces.append(text)
            chunks += self._codec.delta(stream, text)
        chunks += self._finish(stream, transport, stream.codec)
        return Decoded(inbound.serial, transport, chunks=chunks, stream=stream, first=True)

    def _append(self, inbound: Inbound, stream: StreamView) -> Decoded[C] | None:
        if stream.closed or not _advances(inbound, stream):
            return None
        text = inbound.data
        chunks: Sequence[C] = ()
        if isinstance(text, str) and text:
            stream.pieces.append(text)
            chunks = self._codec.delta(stream, text)
        transport = h.transport_headers(inbound.extras) or {}
        if transport.get(h.STATUS, h.STREAMING) != h.STREAMING:
            closing = h.codec_headers(inbound.extras)
            chunks = [*chunks, *self._finish(stream, transport, closing)]
        elif not chunks:
            return None
        return Decoded(inbound.serial, stream.transport, chunks=chunks, stream=stream)

    def _update(self, inbound: Inbound, stream: StreamView) -> Decoded[C] | None:
        if not _advances(inbound, stream):
            return None
        text = inbound.data if isinstance(inbound.data, str) else ""
        before = stream.text
        transport = h.transport_headers(inbound.extras) or {}
        codec = h.codec_headers(inbound.extras)
        if not text.startswith(before) or (stream.closed and text != before):
            stream.pieces[:] = [text]
            self._finish(stream, transport, codec)
            return Decoded(inbound.serial, stream.transport, stream=stream, replaced=True)
        if stream.closed:
            return None
        chunks: list[C] = []
        rest = text[len(before) :]
        if rest:
            stream.pieces.append(rest)
            chunks += self._codec.delta(stream, rest)
        chunks += self._finish(stream, transport, codec)
        if not chunks and not stream.closed:
            return None
        return Decoded(inbound.serial, stream.transport, chunks=chunks, stream=stream)

    def _finish(
        self, stream: StreamView, transport: Mapping[str, str], codec: Mapping[str, str]
    ) -> Sequence[C]:
        status = transport.get(h.STATUS)
        if status not in (h.COMPLETE, h.CANCELLED):
            return ()
        stream.closed = True
        if status == h.CANCELLED:
            return ()  # a cancelled part simply stops
        stream.closing = codec or stream.codec
        return self._codec.end(stream)


def _advances(inbound: Inbound, stream: StreamView) -> bool:
    version = inbound.version or inbound.serial
    if version <= stream.version:
        return False
    stream.version = version
    return True
