"""One clock for all readers that gather chunks between two writes: a wheel of a few slots.

Rule: a window costs a reader one wake-up and no timer of its own, and the readers are spread over
the window, so that none waits for all others.
"""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from ..._waiters import Waiters

__all__ = ["GatherClock"]

SLOTS = 8
"""Parts of a window; on a loop that is in time a reader waits for 7 of them at least, 8 at most."""


class GatherClock:
    """Ends the windows of all readers.

    Args:
        every_s: Seconds of a window.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._slots = [Waiters() for _slot in range(SLOTS)]
        self._latest = 0
        self._waiting = 0
        self._begun = Waiters()
        self._scope: anyio.CancelScope | None = None
        self._stopped = False

    async def wait(self) -> None:
        """Wait for the end of a window that begins now; returns at once after `stop`."""
        if self._stopped:
            await checkpoint()
            return
        self._waiting += 1
        if self._waiting == 1:
            self._begun.wake()
        try:
            await self._slots[self._latest].wait()
        finally:
            self._waiting -= 1

    async def run(self) -> None:
        """End windows until stopped; sleeps while nobody gathers."""
        if self._stopped:
            return
        with anyio.CancelScope() as self._scope:
            while True:
                if not self._waiting:
                    await self._begun.wait()
                await self._turn()

    async def _turn(self) -> None:
        """Go on by slots for as long as somebody waits."""
        due_s = anyio.current_time()
        while self._waiting:
            # A slot that comes late makes no other late; after a stall of a whole window nothing is
            # made up for.
            due_s = max(due_s, anyio.current_time() - self._every_s) + self._every_s / SLOTS
            await anyio.sleep_until(due_s)
            self._latest = (self._latest + 1) % SLOTS
            self._slots[self._latest].wake()

    def stop(self) -> None:
        """End all windows, and `run`, also one that has yet to begin."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()
        for slot in self._slots:
            slot.wake()
