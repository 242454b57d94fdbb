"""Ends the replies of agents that never say an end, when they have been silent for long enough.

Rule: only where the wire says that nobody will mark the end; whoever speaks again goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from anyio import CancelScope
from anyio.abc import TaskGroup

from .wire import ClientWire, Heard, RunRef
from .wire_abilities import UnmarkedClient

__all__ = ["Silences"]


class Silences:
    """Watches the replies of one chat.

    Args:
        wire: The client's end; nothing is watched unless replies may end in silence on it.
        on_end: Gets what is heard of each end.
    """

    def __init__(self, wire: ClientWire, on_end: Callable[[Heard], None]) -> None:
        self._wire = wire if isinstance(wire, UnmarkedClient) else None
        self._idle_s = self._wire.idle_s if self._wire is not None else None
        self._on_end = on_end
        self._last: dict[str | None, float] = {}
        self._spoken = asyncio.Event()

    @contextmanager
    def watched(self, tasks: TaskGroup) -> Generator[None, None, None]:
        """Watch in `tasks` until the block is left."""
        if self._idle_s is None:
            yield
            return
        self.sweep()
        scope = CancelScope()
        tasks.start_soon(self._watch, self._idle_s, scope)
        try:
            yield
        finally:
            scope.cancel()

    def note(self, ref: RunRef) -> None:
        """Note that a reply has spoken."""
        if self._idle_s is not None:
            self._last[ref.run_id] = time.time()
            self._spoken.set()

    def sweep(self) -> float | None:
        """End what has been silent for too long; give when the next one is due (Unix seconds)."""
        wire, idle_s = self._wire, self._idle_s
        if wire is None or idle_s is None:
            return None
        due: list[float] = []
        for ref, spoke_ms in wire.unmarked():
            # What was read from history says by itself when; another clock than ours, which does
            # no harm: a reply that was ended too early goes on when it speaks again.
            said_s = time.time() if spoke_ms is None else spoke_ms / 1000
            last = self._last.setdefault(ref.run_id, said_s)
            if last + idle_s > time.time():
                due.append(last + idle_s)
                continue
            heard = wire.conclude(ref)
            del self._last[ref.run_id]
            if heard is not None:
                self._on_end(heard)
        return min(due, default=None)

    async def _watch(self, idle_s: float, scope: CancelScope) -> None:
        with scope:
            while True:
                self._spoken.clear()
                due = self.sweep()
                if due is None:
                    await self._spoken.wait()
                    due = time.time() + idle_s
                await asyncio.sleep(max(0.0, due - time.time()))
