"""Hands a channel's messages on in order, also while history is being read.

Rule: while held, live messages wait (bounded); then history comes first, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...codecs.ably.operations import Inbound

__all__ = ["HELD_LIMIT", "OrderedFeed"]

HELD_LIMIT = 10_000
"""Live messages kept while history is read; more than that and the order cannot be kept."""


class OrderedFeed:
    """Between a channel and a fold.

    Args:
        take: Gets each message, and whether it is live.
        limit: Messages that may wait.
    """

    def __init__(self, take: Callable[[Inbound, bool], None], *, limit: int = HELD_LIMIT) -> None:
        self._take = take
        self._limit = limit
        self._held: list[Inbound] | None = None
        self.overflowed = False
        """Messages were dropped while held: history must be read again."""

    @property
    def is_held(self) -> bool:
        """Whether live messages wait."""
        return self._held is not None

    def give(self, message: Inbound) -> None:
        """Take a live message."""
        if self._held is None:
            self._take(message, True)
        elif len(self._held) < self._limit:
            self._held.append(message)
        else:
            self.overflowed = True

    def hold(self) -> None:
        """Let live messages wait until `release`."""
        if self._held is None:
            self._held = []

    def release(self, history: Iterable[Inbound] = (), *, live: bool = False) -> None:
        """Hand on `history`, oldest first, then what waited, then live messages as they come.

        Args:
            history: What was read meanwhile.
            live: Treat it as live: it fills a gap in what was being followed.
        """
        for message in history:
            self._take(message, live)
        held, self._held = self._held, None
        for message in held or ():
            self._take(message, True)
