"""Roll-up of appends: within a window, the appends of one message become one. Pure.

Rule: the first append goes at once and opens the window; what comes in it is joined and goes when
the window ends. A joined append gives its version serial to its last part and None to the others.
Source: Ably docs, message appends, `appendRollupWindow` (0 to 500 ms, default 40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from chat_transport.broker.channel import Channel
from chat_transport.broker.frames import Message, from_wire
from chat_transport.broker.publishing import Author
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.timers import Timer, Timers

__all__ = ["Answer", "Rollup"]

Answer: TypeAlias = Callable[[str | None, Refusal | None], None]
"""Called once for each append: its version serial (None if it was joined into a later one)."""


class _Window:
    """The appends of one message that wait."""

    def __init__(self, channel: Channel, timer: Timer) -> None:
        self.channel = channel
        self.timer = timer
        self.waiting: list[tuple[Author, Message, Answer]] = []


class Rollup:
    """The open windows of one connection."""

    def __init__(self, timers: Timers, window_ms: int) -> None:
        self._timers = timers
        self._window_ms = window_ms
        self._windows: dict[tuple[str, str], _Window] = {}

    def append(self, channel: Channel, author: Author, message: Message, answer: Answer) -> None:
        """Do an append now, or join it with those that wait."""
        message = from_wire(message)
        key = (channel.name, message.serial or "")
        window = self._windows.get(key)
        if window is None:
            self._do(channel, [(author, message, answer)])
            timer = self._timers.after(self._window_ms, lambda: self._end(key))
            self._windows[key] = _Window(channel, timer)
            return
        if window.waiting and not _can_join(window.waiting[-1][1], message):
            self._flush(window)
        window.waiting.append((author, message, answer))

    def flush(self, channel_name: str | None = None) -> None:
        """Do what waits, on one channel or all: something else is to come after it."""
        for key, window in list(self._windows.items()):
            if channel_name in (None, key[0]):
                self._flush(window)

    def _end(self, key: tuple[str, str]) -> None:
        window = self._windows.pop(key)
        if window.waiting:
            self._flush(window)
            window.timer = self._timers.after(self._window_ms, lambda: self._end(key))
            self._windows[key] = window

    def _flush(self, window: _Window) -> None:
        waiting, window.waiting = window.waiting, []
        if waiting:
            self._do(window.channel, waiting)

    @staticmethod
    def _do(channel: Channel, parts: list[tuple[Author, Message, Answer]]) -> None:
        author, last, _ = parts[-1]
        pieces = [message.data for _, message, _ in parts if message.data is not None]
        serials: list[str | None] = [None] * len(parts)
        refusal: Refusal | None = None
        if len(parts) > 1 and pieces:
            joined = (b"" if isinstance(pieces[0], bytes) else "").join(pieces)
            last = msgspec.structs.replace(last, data=joined)
        try:
            serials[-1:] = channel.publish(author, [last])
        except Refusal as error:
            refusal = error
        for (_, _, answer), serial in zip(parts, serials, strict=True):
            answer(serial, refusal)


def _can_join(before: Message, message: Message) -> bool:
    """Data of one kind and encoding can be joined; so can none."""
    if before.data is None or message.data is None:
        return True
    return type(before.data) is type(message.data) and before.encoding == message.encoding
