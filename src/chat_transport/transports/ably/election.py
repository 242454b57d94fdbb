"""Which of several processes that began to answer one input goes on: the first in the channel.

Rule: all of them see the same serials, so all agree without asking; who is not first says nothing
more, and nothing at all if it waited for its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

__all__ = ["TURN_S", "Candidacy"]

TURN_S = 5.0
"""Seconds in which the own announcement must come back from the channel; after that one speaks."""


class Candidacy:
    """One process's claim to answer one input: what it announced, beside what others did.

    Args:
        announced: Gives the serials of all announcements of this answer that were read, sorted.
        waits: Say nothing until the own announcement has come back: for processes that may not
            know of each other yet. Else what was said meanwhile may stand beside the answer.
    """

    def __init__(self, announced: Callable[[], Sequence[str]], *, waits: bool) -> None:
        self.is_lost = False
        self._announced = announced
        self._own: str | None = None
        self._decided = asyncio.Event()
        if not waits:
            self._decided.set()

    def announce(self, serial: str) -> None:
        """Note where the own announcement stands."""
        self._own = serial

    def look(self) -> bool:
        """See who was first; whether it was another one, and that is news."""
        announced = self._announced()
        if self._own not in announced:
            return False
        self._decided.set()
        is_news = not self.is_lost and announced[0] != self._own
        self.is_lost = self.is_lost or is_news
        return is_news

    @property
    def may_speak(self) -> bool:
        """Whether one need not wait, or has waited."""
        return self._decided.is_set()

    async def turn(self) -> None:
        """Wait until one may speak; `is_lost` tells whether one still should."""
        try:
            async with asyncio.timeout(TURN_S):
                await self._decided.wait()
        except TimeoutError:
            return
