"""A log of chunks with waiters: run log, replay buffer and fan-out in one.

Rule: appending never waits; a reader drains all there is at each wake-up.
Why not a queue: a wake-up costs more than a chunk, and every reader starts where it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio

from .chunks import UIMessageChunk
from .transport import ChunkStream

__all__ = ["ChunkLog", "LogStream"]


class ChunkLog:
    """What one run has said so far, and who waits for more.

    Attributes:
        run_id: The run that speaks, if it has a name.
        closed: No more chunks will come.
        error: Raised at the end of each stream; None if the log ended well.
    """

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id
        self.closed = False
        self.error: Exception | None = None
        self._chunks: list[UIMessageChunk] = []
        self._changed: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._chunks)

    def append(self, chunk: UIMessageChunk) -> None:
        """Add a chunk and wake the readers. Ignored once closed."""
        if not self.closed:
            self._chunks.append(chunk)
            self._wake()

    def extend(self, chunks: Iterable[UIMessageChunk]) -> None:
        """Add several chunks with one wake-up. Ignored once closed."""
        if not self.closed:
            self._chunks.extend(chunks)
            self._wake()

    def close(self, error: Exception | None = None) -> None:
        """End the log; the first call wins."""
        if not self.closed:
            self.closed = True
            self.error = error
            self._wake()

    def since(self, index: int) -> Sequence[UIMessageChunk]:
        """Give the chunks from `index` on."""
        return self._chunks[index:]

    def stream(self, start: int = 0) -> LogStream:
        """Read from chunk number `start`, then live. Any number of readers."""
        return LogStream(self, start)

    async def changed(self) -> None:
        """Wait for the next append or close."""
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


class LogStream(ChunkStream):
    """One reader's place in a `ChunkLog`."""

    def __init__(self, log: ChunkLog, start: int = 0) -> None:
        self._log = log
        self._next = start
        self.run_id = log.run_id

    async def __anext__(self) -> UIMessageChunk:
        """Give the next chunk, waiting for it."""
        log = self._log
        while self._next >= len(log):
            if log.closed:
                if log.error is not None:
                    raise log.error
                raise StopAsyncIteration
            await log.changed()
        chunk = log._chunks[self._next]  # noqa: SLF001  # the two classes are one piece
        self._next += 1
        return chunk

    async def drain(self) -> Sequence[UIMessageChunk]:
        """Wait for at least one chunk and give all there are; empty at the end."""
        log = self._log
        while self._next >= len(log):
            if log.closed:
                if log.error is not None:
                    raise log.error
                return ()
            await log.changed()
        chunks = log.since(self._next)
        self._next += len(chunks)
        return chunks
