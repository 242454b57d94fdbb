"""Reading a run from a place in its reply, with the place behind each chunk.

Rule: what `reply_place` names is given: the message that the run goes on with, joined deltas where
a reader without a place is behind, then each chunk as it is said.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TypeAlias

from ..._chunk_log import ChunkLog
from ...chunks import UIMessageChunk
from ...codecs.retold import retold
from ...messages import UIMessage
from .reply_place import RETOLD, ReplyPlace, joined_name, rest_of_joined

__all__ = ["Placed", "placed_chunks"]

Placed: TypeAlias = tuple[UIMessageChunk, str]


async def placed_chunks(
    log: ChunkLog, *, place: ReplyPlace | None = None, before: UIMessage | None = None
) -> AsyncGenerator[Sequence[Placed], None]:
    """Give all there is at each wake-up, each chunk with the place behind it.

    Args:
        log: The run's chunks.
        place: Where the reader goes on; None: from the start.
        before: What the reply had before the run; None if the reader has it.

    Raises:
        StreamInterrupted: At the end, if the run's writer died.
    """
    at = place or ReplyPlace()
    start = 0 if at.is_retold else at.given
    if before is not None and (place is None or at.is_retold):
        told = tuple(retold(before))[at.given :]
        start = 1  # what is retold says `start` itself
        yield tuple(_named(told, RETOLD, at.given, start))
    elif at.joined is not None:
        first, start = at.joined
        rest = await rest_of_joined(log, first, start, at.given)
        yield tuple(_named(rest, joined_name(first, start), at.given, start))
    stream = log.stream(start, snapshot=place is None or at.is_retold)
    while True:
        behind = stream.position
        chunks = await stream.drain()
        if not chunks:
            return
        after = stream.position
        if after - behind == len(chunks):
            yield [(chunk, str(behind + each)) for each, chunk in enumerate(chunks, 1)]
        else:
            yield tuple(_named(chunks, joined_name(behind, after), 0, after))


def _named(chunks: Sequence[UIMessageChunk], name: str, given: int, after: int) -> Iterator[Placed]:
    """Behind the last of them is a place in the run."""
    for each, chunk in enumerate(chunks, 1):
        yield chunk, str(after) if each == len(chunks) else f"{name}.{given + each}"
