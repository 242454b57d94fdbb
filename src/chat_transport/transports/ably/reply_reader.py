"""One reader of one reply: a log of its own, fed from what the channel says.

Rule: a stream ends with exactly one terminal chunk, the agent's or one made of how the run ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..._chunk_log import ChunkLog
from ...chunks import Abort, Error, Finish, UIMessageChunk, is_terminal
from ...errors import StreamInterrupted
from .wire import Heard

__all__ = ["ReplyReader"]


class ReplyReader:
    """A reply as one reader gets it.

    Attributes:
        chunks: What it was given.
        stream: Where it reads.
    """

    def __init__(self, run_id: str | None = None) -> None:
        self.chunks = ChunkLog(run_id)
        self.stream = self.chunks.stream()

    def name(self, run_id: str) -> None:
        """Note which run speaks."""
        self.chunks.run_id = self.stream.run_id = run_id

    def take(self, heard: Heard) -> None:
        """Take what was said of this reply."""
        if self.chunks.run_id is None and heard.ref.run_id is not None:
            self.name(heard.ref.run_id)
        if heard.chunks:
            self._extend(heard.chunks)
        if heard.is_replaced and heard.event != "input":
            self.chunks.close(
                StreamInterrupted("what was said before was replaced", resumable=True)
            )
        elif heard.event in {"run-end", "run-suspend"} and not self.chunks.closed:
            self.chunks.append(_terminal(heard))
            self.chunks.close()

    def _extend(self, chunks: Sequence[UIMessageChunk]) -> None:
        for index, chunk in enumerate(chunks):
            if is_terminal(chunk):
                self.chunks.extend(chunks[: index + 1])
                self.chunks.close()
                return
        self.chunks.extend(chunks)


def _terminal(heard: Heard) -> UIMessageChunk:
    """Give the terminal chunk that the agent did not: JavaScript agents may leave it out."""
    if heard.event == "run-suspend":
        return Finish(finish_reason="tool-calls")
    if heard.reason == "cancelled":
        return Abort()
    if heard.reason == "error":
        return Error(error_text=heard.error_text or "the agent failed")
    return Finish()
