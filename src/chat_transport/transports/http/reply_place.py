"""Places in a reply, by which our own client goes on exactly where its connection was cut.

Rule: to a client a place is text that ends in a number, and each event without an `id` line of its
own adds one. `17` counts what the run said; `before.3` what is retold of the message that the run
goes on with; `0-500.3` the joined deltas that stand for chunks 0 to 499 of the run.
Source: `Last-Event-ID` of WHATWG's server-sent events; the grammar is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ..._chunk_columns import merge_deltas
from ..._chunk_log import ChunkLog
from ...chunks import UIMessageChunk

__all__ = ["RETOLD", "ReplyPlace", "joined_name", "next_place", "rest_of_joined"]

RETOLD = "before"
_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.ASCII | re.DOTALL)
_PLACE = re.compile(rf"(?:({RETOLD})\.|([0-9]{{1,9}})-([0-9]{{1,9}})\.)?([0-9]{{1,9}})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPlace:
    """Where a reader goes on.

    Attributes:
        given: Chunks that it has, of what the other two say.
        is_retold: Of the message that the run goes on with.
        joined: Of the joined chunks from one number up to another; None if they were not joined.
    """

    given: int = 0
    is_retold: bool = False
    joined: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a place.

        Raises:
            ValueError: If it is none.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(f"not a place in a reply: {text!r}")
        retold, first, after, given = found.groups()
        joined = None if first is None else (int(first), int(after))
        return cls(given=int(given), is_retold=retold is not None, joined=joined)


def joined_name(first: int, after: int) -> str:
    """Name the joined chunks that stand for numbers `first` to `after`, without `after`."""
    return f"{first}-{after}"


async def rest_of_joined(
    log: ChunkLog, first: int, after: int, given: int
) -> Sequence[UIMessageChunk]:
    """Join the same chunks again and give what is left of them; waits for the log to have them."""
    while len(log) < after and not log.closed:
        await log.changed()
    return merge_deltas(log.since(first, max(after - first, 0)))[given:]


def next_place(place: str | None) -> str | None:
    """Give the place after one more event; None if it does not count."""
    found = None if place is None else _NUMBERED.fullmatch(place)
    return None if found is None else f"{found[1]}{int(found[2]) + 1}"
