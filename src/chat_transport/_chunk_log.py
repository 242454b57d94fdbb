"""A log of chunks with waiters: run log, replay buffer and fan-out in one.

Rule: appending never waits; a reader drains all there is at each wake-up, and a slow one costs
nothing but its place: there is no queue for each reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ._chunk_columns import ChunkColumns
from ._waiters import Waiters
from .chunks import UIMessageChunk
from .transport import ChunkStream

__all__ = ["ChunkLog", "LogStream"]

PAGE = 1024
"""Chunks that a reader far behind is given at a time, so that it holds no copy of the log."""
CATCH_UP = 256
"""Chunks behind which a snapshot reader is given joined deltas rather than each one."""


class ChunkLog:
    """What one run has said so far, and who waits for more. For the tasks of one thread.

    Attributes:
        run_id: The run that speaks, if it has a name.
        closed: No more chunks will come.
        error: Raised at the end of each stream; None if the log ended well.
    """

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id
        self.closed = False
        self.error: Exception | None = None
        self._columns = ChunkColumns()
        self._waiters = Waiters()

    def __len__(self) -> int:
        return self._columns.count

    def append(self, chunk: UIMessageChunk) -> None:
        """Add a chunk and wake the readers. Ignored once closed."""
        if not self.closed:
            self._columns.append(chunk)
            self._waiters.wake()

    def extend(self, chunks: Iterable[UIMessageChunk]) -> None:
        """Add several chunks with one wake-up. Ignored once closed."""
        if not self.closed:
            for chunk in chunks:
                self._columns.append(chunk)
            self._waiters.wake()

    def close(self, error: Exception | None = None) -> None:
        """End the log; the first call wins."""
        if not self.closed:
            self.closed = True
            self.error = error
            self._waiters.wake()

    def since(self, index: int, limit: int | None = None) -> Sequence[UIMessageChunk]:
        """Give the chunks from number `index` on, exactly as appended; at most `limit`."""
        return self._columns.read(index, limit)

    def merged(self, index: int = 0) -> Sequence[UIMessageChunk]:
        """Say what came from number `index` on in few chunks: the deltas of a part are joined.

        Folding them gives the same message as folding `since(index)`.
        """
        return self._columns.merged(index)

    def stream(self, start: int = 0, *, snapshot: bool = False) -> LogStream:
        """Read from chunk number `start`, then live. Any number of readers.

        Args:
            start: `since(0, k)` and then `stream(k)` is everything, for every k.
            snapshot: Join deltas wherever the reader is far behind: a late joiner gets the reply
                so far in few chunks. Chunks can then no longer be counted.
        """
        return LogStream(self, start, snapshot=snapshot)

    async def changed(self) -> None:
        """Wait for the next append or close."""
        await self._waiters.wait()


class LogStream(ChunkStream):
    """One reader's place in a `ChunkLog`.

    Attributes:
        position: How many chunks of the log `drain` has given, joined ones counted as they were
            said.
    """

    def __init__(self, log: ChunkLog, start: int = 0, *, snapshot: bool = False) -> None:
        self._log = log
        self.position = start
        self._joins = snapshot
        # Who is there from the first chunk on is no late joiner, however late it is woken.
        self._behind = 0 if snapshot and len(log) > start + 1 else CATCH_UP
        self._page: Sequence[UIMessageChunk] = ()
        self._at = 0
        self.run_id = log.run_id

    async def __anext__(self) -> UIMessageChunk:
        """Give the next chunk, waiting for it."""
        if self._at >= len(self._page):
            self._page = await self.drain()
            self._at = 0
            if not self._page:
                raise StopAsyncIteration
        self._at += 1
        return self._page[self._at - 1]

    async def drain(self) -> Sequence[UIMessageChunk]:
        """Wait for at least one chunk and give what there is, a page at most; empty at the end."""
        if self._at < len(self._page):
            rest, self._page = self._page[self._at :], ()
            return rest
        log = self._log
        columns = log._columns  # noqa: SLF001  # the two classes are one piece
        while self.position >= columns.count:
            if log.closed:
                return self._ended()
            await log._waiters.wait()  # noqa: SLF001  # the two classes are one piece
        if self._joins and columns.count - self.position > self._behind:
            return self._take_joined(columns)
        chunks = columns.read(self.position, PAGE)
        self.position += len(chunks)
        return chunks

    def _ended(self) -> Sequence[UIMessageChunk]:
        if self._log.error is not None:
            raise self._log.error
        return ()

    def _take_joined(self, columns: ChunkColumns) -> Sequence[UIMessageChunk]:
        self._behind = CATCH_UP  # from now on only a reader that fell back gets joined deltas
        chunks = columns.merged(self.position)
        self.position = columns.count
        return chunks
