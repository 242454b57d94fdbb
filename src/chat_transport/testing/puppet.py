"""A handler that says what a check tells it, when the check tells it.

Rule: no clock and no sleep: every step of a check waits for the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

import anyio

from ..agent.run import Run, RunEnd
from ..chunks import UIMessageChunk

__all__ = ["Line", "Puppet"]


class _AttemptFails(Exception):  # reads as `suppress(_AttemptFails)`
    """What leaves an attempt that shall fail."""


@dataclass(frozen=True, slots=True)
class _Try:
    """An attempt to be made."""

    step: str
    chunks: Sequence[UIMessageChunk]
    fails: bool


class Line:
    """One run of a `Puppet`, in the hands of the check.

    Attributes:
        run: What the handler was given.
        closed: Set when the handler was closed, however it ended.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.closed = anyio.Event()
        self._unsaid: deque[UIMessageChunk | _Try] = deque()
        self._over = False
        self._error: Exception | None = None
        self._told = anyio.Event()

    def say(self, *chunks: UIMessageChunk) -> None:
        """Let the handler yield these."""
        self._unsaid.extend(chunks)
        self._told.set()

    def attempt(self, step: str, *chunks: UIMessageChunk, fails: bool = False) -> None:
        """Let the handler yield these in an attempt of a named step."""
        self._unsaid.append(_Try(step, chunks, fails))
        self._told.set()

    def finish(self, *chunks: UIMessageChunk) -> None:
        """Let the handler yield these and return."""
        self._over = True
        self.say(*chunks)

    def fail(self, error: Exception) -> None:
        """Let the handler raise, after what it has still to say."""
        self._error = error
        self._told.set()

    async def speak(self) -> AsyncGenerator[UIMessageChunk, None]:
        """Be the handler."""
        try:
            while True:
                while self._unsaid:
                    cue = self._unsaid.popleft()
                    if not isinstance(cue, _Try):
                        yield cue
                        continue
                    async with aclosing(self._attempt(cue)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                if self._error is not None:
                    raise self._error
                if self._over:
                    return
                self._told = anyio.Event()
                await self._told.wait()
        finally:
            self.closed.set()

    async def _attempt(self, cue: _Try) -> AsyncGenerator[UIMessageChunk, None]:
        with suppress(_AttemptFails):
            async with self.run.step(cue.step):
                for chunk in cue.chunks:
                    yield chunk
                if cue.fails:
                    raise _AttemptFails


class Puppet:
    """A handler, an `on_end`, and the runs that came of them.

    Attributes:
        lines: The runs so far, in the order they started.
        ends: What `on_end` was given, in order.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.ends: list[RunEnd] = []
        self._changed = anyio.Event()

    def handler(self, run: Run) -> AsyncGenerator[UIMessageChunk, None]:
        """Give the chunks of a run: the check says which."""
        line = Line(run)
        self.lines.append(line)
        self._changed.set()
        return line.speak()

    async def on_end(self, end: RunEnd) -> None:
        """Note how a run ended."""
        self.ends.append(end)
        self._changed.set()

    async def line(self, number: int = 0) -> Line:
        """Wait for run `number` to start."""
        while len(self.lines) <= number:
            await self._next_change()
        return self.lines[number]

    async def end(self, run_id: str) -> RunEnd:
        """Wait for the end of a run."""
        while True:
            for end in self.ends:
                if end.run.run_id == run_id:
                    return end
            await self._next_change()

    async def _next_change(self) -> None:
        self._changed = anyio.Event()
        await self._changed.wait()
