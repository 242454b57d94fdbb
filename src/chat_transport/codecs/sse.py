"""Server-sent events: bytes to events and back.

Rule: fed and asked, no I/O. Lines end with LF, CRLF or CR, also split between reads; only a blank
line dispatches an event, so an unfinished last event is dropped.
Source: WHATWG HTML 9.2 "Server-sent events", read 2026-11; eventsource-parser 3.1.1.
"""

from __future__ import annotations

from math import inf
from typing import NoReturn

import msgspec

from ..errors import RemoteProtocolError

__all__ = ["MAX_EVENT_BYTES", "SseDecoder", "SseEvent", "encode_comment", "encode_event"]

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""Largest event that a decoder holds unless told otherwise; a file may travel as a data URL."""

_BOM = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event."""

    data: str
    """All data lines, joined by LF."""
    event: str = "message"
    id: str = ""
    """The last event id seen so far; empty if none."""
    retry_ms: int | None = None
    """Milliseconds to wait before reconnecting, if this event's block said so."""


def encode_event(data: bytes, *, event: str | None = None, id: str | None = None) -> bytes:  # noqa: A002  # the field's name
    """Frame `data`, which may hold line breaks, as one event."""
    head = b""
    if id is not None:
        head += b"id: " + id.encode() + b"\n"
    if event is not None:
        head += b"event: " + event.encode() + b"\n"
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    return head + b"data: " + data + b"\n\n"


def encode_comment(text: str) -> bytes:
    """Frame a comment, which readers skip: it flushes headers and keeps proxies awake."""
    return b": " + text.encode() + b"\n\n"


class SseDecoder:
    """Bytes in, events out; invalid UTF-8 becomes U+FFFD.

    Args:
        max_event_bytes: Bytes of one event before RemoteProtocolError; None for no bound.
    """

    def __init__(self, *, max_event_bytes: int | None = MAX_EVENT_BYTES) -> None:
        self._most: float = inf if max_event_bytes is None else max_event_bytes
        self._started = False
        self._held_cr = False
        self._partial: list[bytes] = []
        self._size = 0  # bytes of the unfinished event
        self._data: list[bytes] = []
        self._event = b""
        self._last_id = ""
        self._retry_ms: int | None = None

    def feed(self, data: bytes) -> list[SseEvent]:
        """Give the events that `data` completes.

        Raises:
            RemoteProtocolError: If an event is larger than `max_event_bytes`.
        """
        lines = self._lines(data)
        rest = lines.pop()
        events: list[SseEvent] = []
        for line in lines:
            if line[:6] == b"data: ":
                self._data.append(line[6:])
                self._count(len(line))
            elif line:
                self._count(len(line))
                self._field(line)
            else:
                self._dispatch(events)
        if rest:
            self._partial.append(rest)
            self._count(len(rest))
        return events

    def feed_data(self, data: bytes) -> list[bytes]:
        """Give the data alone of the events that `data` completes, as bytes.

        Raises:
            RemoteProtocolError: As `feed`.
        """
        lines = self._lines(data)
        rest = lines.pop()
        held, size = self._data, self._size
        events: list[bytes] = []
        for line in lines:
            if line[:6] == b"data: ":
                held.append(line[6:])
                size += len(line)
            elif not line:
                if held:
                    events.append(held[0] if len(held) == 1 else b"\n".join(held))
                    held.clear()
                if size > self._most:
                    break
                size = 0
            else:
                size += len(line)
                if line[:5] == b"data:" or line == b"data":
                    held.append(line[5:])
        if rest:
            self._partial.append(rest)
            size += len(rest)
        self._size = size
        if size > self._most:
            self._refuse()
        return events

    def _lines(self, data: bytes) -> list[bytes]:
        """Give the lines that end here, then the beginning of the next one."""
        if not self._started:
            data = self._after_bom(data)
        if self._held_cr or b"\r" in data:
            data = self._with_lf_only(data)
        lines = data.split(b"\n")
        if self._partial and len(lines) > 1:
            begun = b"".join(self._partial)
            self._partial.clear()
            self._size -= len(begun)  # counted when it came; the whole line is counted again
            lines[0] = begun + lines[0]
        return lines

    def _dispatch(self, events: list[SseEvent]) -> None:
        lines = self._data
        if lines:
            data = lines[0] if len(lines) == 1 else b"\n".join(lines)
            event = self._event.decode("utf-8", "replace") if self._event else "message"
            events.append(
                SseEvent(data.decode("utf-8", "replace"), event, self._last_id, self._retry_ms)
            )
            self._data = []
        self._event = b""
        self._retry_ms = None
        self._size = 0

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if colon and value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self._last_id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            self._retry_ms = int(value)

    def _after_bom(self, data: bytes) -> bytes:
        head = b"".join(self._partial) + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._partial = [head] if head else []
            return b""
        self._partial.clear()
        self._started = True
        return head.removeprefix(_BOM)

    def _with_lf_only(self, data: bytes) -> bytes:
        if self._held_cr and data:
            data = b"\r" + data
            self._held_cr = False
        if data.endswith(b"\r"):  # the next byte says whether this is CRLF
            data = data[:-1]
            self._held_cr = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._most:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise RemoteProtocolError(
            f"unable to read the event stream; one event is larger than {self._most} bytes"
        )
