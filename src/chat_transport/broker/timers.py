"""Timers as data: a heap of moments and calls, run by whoever owns the clock. No I/O here.

Rule: the broker never sleeps; a server (or a test with a clock of its own) asks for the next moment
and calls `run_due`. Equal moments keep the order in which they were set.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from chat_transport.broker.serials import Clock

__all__ = ["Timer", "Timers"]


class Timer:
    """One call at one moment; `cancel` takes it back."""

    __slots__ = ("_on_cancel", "call", "due_ms")

    def __init__(
        self, due_ms: int, call: Callable[[], None], on_cancel: Callable[[], None]
    ) -> None:
        self.due_ms = due_ms
        self.call: Callable[[], None] | None = call
        self._on_cancel = on_cancel

    def cancel(self) -> None:
        """Never make the call. Harmless when it was made already."""
        if self.call is not None:
            self.call = None
            self._on_cancel()


class Timers:
    """All that is to happen later."""

    def __init__(self, now_ms: Clock) -> None:
        self.now_ms = now_ms
        self.on_sooner: Callable[[], None] | None = None
        """Called when a timer becomes the first one, so that a sleeping server looks again."""
        self._heap: list[tuple[int, int, Timer]] = []
        self._order = count()
        self._cancelled = 0

    def after(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        """Make a call after a delay."""
        timer = Timer(self.now_ms() + delay_ms, call, self._count_cancelled)
        heapq.heappush(self._heap, (timer.due_ms, next(self._order), timer))
        if self._heap[0][2] is timer and self.on_sooner is not None:
            self.on_sooner()
        return timer

    def next_due_ms(self) -> int | None:
        """Give the moment of the next call, or None."""
        while self._heap and self._heap[0][2].call is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0][0] if self._heap else None

    def run_due(self) -> None:
        """Make every call whose moment has come."""
        now = self.now_ms()
        while self._heap and self._heap[0][0] <= now:
            _, _, timer = heapq.heappop(self._heap)
            call, timer.call = timer.call, None
            if call is None:
                self._cancelled -= 1
            else:
                call()

    def _count_cancelled(self) -> None:
        """Drop cancelled timers when they are most of all, or far ones would pile up."""
        self._cancelled += 1
        if self._cancelled > 1000 and self._cancelled > len(self._heap) // 2:
            self._cancelled = 0
            self._heap = [item for item in self._heap if item[2].call is not None]
            heapq.heapify(self._heap)
