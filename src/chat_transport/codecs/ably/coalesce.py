"""Fewer operations for the same text: appends that wait are merged, message by message.

Rule: nothing overtakes a publish or an update; what is merged reads the same. The shell owns the
clock: it flushes when its window ends.
Source: an append costs as much as a message (ably.com/docs/pricing), and 50 a second is the limit.
"""

from __future__ import annotations

from dataclasses import replace

from .operations import Append, Operation

__all__ = ["Coalescer"]


class Coalescer:
    """Holds appends until the window ends.

    Args:
        hold: False sends everything at once.
        limit_chars: A merged append that would grow past this is sent.
    """

    def __init__(self, *, hold: bool = True, limit_chars: int = 16_384) -> None:
        self._hold = hold
        self._limit = limit_chars
        self._pieces: dict[str, list[str]] = {}
        self._newest: dict[str, Append] = {}
        self._size = 0
        self._begun: set[str] = set()

    @property
    def waiting(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._newest)

    def add(self, operation: Operation) -> list[Operation]:
        """Take an operation; give what shall be sent now, in order.

        The first text of a message is never held: the reader sees at once that something comes.
        """
        if not isinstance(operation, Append):
            return [*self.flush(), operation]
        key = operation.key
        if not self._hold or (key not in self._begun and operation.data):
            self._begun.add(key)
            return [*self.flush(), operation]
        self._pieces.setdefault(key, []).append(operation.data)
        self._newest[key] = operation
        self._size += len(operation.data)
        return self.flush() if self._size >= self._limit else []

    def flush(self) -> list[Operation]:
        """Give the merged appends, one for each message."""
        merged: list[Operation] = [
            newest if len(self._pieces[key]) == 1 else replace(newest, data="".join(pieces))
            for key, newest in self._newest.items()
            if (pieces := self._pieces[key])
        ]
        self._pieces.clear()
        self._newest.clear()
        self._size = 0
        return merged

    def drop(self, key: str) -> None:
        """Forget what waits for `key`: a repair will say it."""
        held = self._pieces.pop(key, [])
        self._size -= sum(map(len, held))
        self._newest.pop(key, None)
