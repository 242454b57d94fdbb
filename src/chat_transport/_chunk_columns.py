"""Chunks kept small: what streams as deltas lies in columns, the newest chunks as they came.

Rule: `read` gives back exactly what was appended, by number; `merged` says the same in few chunks.
Why: 10,000 token chunks as objects take 1 to 2 MB, in columns under 120 KB (tests/benchmarks).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeAlias

from ._taken_back import without_void
from .chunks import (
    ABSENT,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    UIMessageChunk,
)

__all__ = ["ChunkColumns", "merge_deltas"]

SEAL = 64
"""Chunks packed at a time, when twice as many are unpacked."""
SHORTEST_RUN = 4
"""Deltas in a row that are worth a column."""
LONGEST_DELTA = 0xFFFF
"""Characters that a length in a column can count; a longer delta is kept as it came."""

_TEXT_LIKE = (TextDelta, ReasoningDelta)
_Key: TypeAlias = tuple[type[UIMessageChunk], str]


class _DeltaRun:
    """Deltas of one part that came in a row."""

    __slots__ = ("key", "lengths", "start", "texts")

    def __init__(self, start: int, key: _Key) -> None:
        self.start = start
        self.key = key
        self.texts: list[str] = []
        """Joined, about one for each `SEAL` deltas."""
        self.lengths = array("H")

    def __len__(self) -> int:
        return len(self.lengths)

    def extend(self, deltas: list[UIMessageChunk]) -> None:
        texts = [_text(delta) for delta in deltas]
        self.texts.append("".join(texts))
        self.lengths.extend(map(len, texts))

    def chunks(self, skip: int) -> Iterator[UIMessageChunk]:
        text = "".join(self.texts)
        at = sum(self.lengths[:skip])
        for length in self.lengths[skip:]:
            yield _delta(self.key, text[at : at + length])
            at += length


class _PlainRun:
    """Chunks kept as they came."""

    __slots__ = ("kept", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.kept: list[UIMessageChunk] = []

    def __len__(self) -> int:
        return len(self.kept)

    def chunks(self, skip: int) -> Iterator[UIMessageChunk]:
        return iter(self.kept[skip:])


class ChunkColumns:
    """An append-only list of chunks that is small in memory."""

    __slots__ = ("_packed", "_tail", "_tail_start", "count")

    def __init__(self) -> None:
        self.count = 0
        self._packed: list[_DeltaRun | _PlainRun] = []
        self._tail: list[UIMessageChunk] = []
        self._tail_start = 0

    def append(self, chunk: UIMessageChunk) -> None:
        """Add a chunk."""
        self._tail.append(chunk)
        self.count += 1
        if len(self._tail) >= 2 * SEAL:
            self._seal()

    def read(self, start: int, limit: int | None = None) -> list[UIMessageChunk]:
        """Give at most `limit` chunks from number `start` on."""
        if start >= self._tail_start:
            at = start - self._tail_start
            return self._tail[at:] if limit is None else self._tail[at : at + limit]
        end = self.count if limit is None else min(self.count, start + limit)
        found: list[UIMessageChunk] = []
        at = max(bisect_right(self._packed, start, key=_start_of) - 1, 0)
        for run in self._packed[at:]:
            if run.start >= end:
                break
            found.extend(run.chunks(max(start - run.start, 0)))
        found.extend(self._tail)
        return found[: end - start]

    def merged(self, start: int) -> list[UIMessageChunk]:
        """Say what comes from number `start` on in few chunks: deltas of one part are joined."""
        return merge_deltas(self._few(start))

    def _few(self, start: int) -> Iterator[UIMessageChunk]:
        for run in self._packed:
            skip = max(start - run.start, 0)
            if skip >= len(run):
                continue
            if isinstance(run, _DeltaRun) and not skip:
                yield _delta(run.key, "".join(run.texts))
            else:
                yield from run.chunks(skip)
        yield from self._tail[max(start - self._tail_start, 0) :]

    def _seal(self) -> None:
        for key, group in groupby(self._tail[:SEAL], key=_key_of):
            self._pack(key, list(group))
        del self._tail[:SEAL]
        self._tail_start += SEAL

    def _pack(self, key: _Key | None, chunks: list[UIMessageChunk]) -> None:
        last = self._packed[-1] if self._packed else None
        start = last.start + len(last) if last is not None else 0
        if isinstance(last, _DeltaRun) and last.key == key:
            last.extend(chunks)
        elif key is not None and len(chunks) >= SHORTEST_RUN:
            run = _DeltaRun(start, key)
            run.extend(chunks)
            self._packed.append(run)
        elif isinstance(last, _PlainRun):
            last.kept.extend(chunks)
        else:
            plain = _PlainRun(start)
            plain.kept.extend(chunks)
            self._packed.append(plain)


def merge_deltas(chunks: Iterable[UIMessageChunk]) -> list[UIMessageChunk]:
    """Join the deltas of each part; folding the result gives the same message.

    A joined delta stands where its first piece stood. Deltas that carry more than text stay alone.
    What was taken back is left out.
    """
    merged: list[UIMessageChunk | list[str]] = []
    keys: dict[int, _Key] = {}
    growing: dict[_Key, list[str]] = {}
    is_reset = False
    for chunk in chunks:
        key = _key_of(chunk, longest=None)
        if key is None:
            is_reset = is_reset or isinstance(chunk, ResetStep)
            _shut(growing, chunk)
            merged.append(chunk)
        elif key in growing:
            growing[key].append(_text(chunk))
        else:
            pieces = growing[key] = [_text(chunk)]
            keys[len(merged)] = key
            merged.append(pieces)
    told = [
        _delta(keys[at], "".join(said)) if isinstance(said, list) else said
        for at, said in enumerate(merged)
    ]
    return list(without_void(told)) if is_reset else told


_ENDS: dict[type[UIMessageChunk], type[UIMessageChunk]] = {
    TextStart: TextDelta,
    TextDelta: TextDelta,
    TextEnd: TextDelta,
    ReasoningStart: ReasoningDelta,
    ReasoningDelta: ReasoningDelta,
    ReasoningEnd: ReasoningDelta,
    ToolInputStart: ToolInputDelta,
    ToolInputDelta: ToolInputDelta,
    ToolInputAvailable: ToolInputDelta,
    ToolInputError: ToolInputDelta,
}
"""Chunk class -> the kind of delta that may not be moved across it, for the same part."""


def _shut(growing: dict[_Key, list[str]], chunk: UIMessageChunk) -> None:
    if isinstance(chunk, ResetStep):
        growing.clear()
        return
    delta = _ENDS.get(type(chunk))
    if delta is not None:
        part_id = getattr(chunk, "tool_call_id" if delta is ToolInputDelta else "id")
        growing.pop((delta, part_id), None)


def _start_of(run: _DeltaRun | _PlainRun) -> int:
    return run.start


def _key_of(chunk: UIMessageChunk, longest: int | None = LONGEST_DELTA) -> _Key | None:
    """What a delta belongs to; None if it is no delta, or carries more than its text."""
    if isinstance(chunk, _TEXT_LIKE):
        if chunk.provider_metadata is not ABSENT:
            return None
        part_id, text = chunk.id, chunk.delta
    elif isinstance(chunk, ToolInputDelta):
        part_id, text = chunk.tool_call_id, chunk.input_text_delta
    else:
        return None
    if chunk.extra is not ABSENT or (longest is not None and len(text) > longest):
        return None
    return type(chunk), part_id


def _text(chunk: UIMessageChunk) -> str:
    if isinstance(chunk, _TEXT_LIKE):
        return chunk.delta
    assert isinstance(chunk, ToolInputDelta)
    return chunk.input_text_delta


def _delta(key: _Key, text: str) -> UIMessageChunk:
    kind, part_id = key
    if kind is ToolInputDelta:
        return ToolInputDelta(tool_call_id=part_id, input_text_delta=text)
    if kind is ReasoningDelta:
        return ReasoningDelta(id=part_id, delta=text)
    return TextDelta(id=part_id, delta=text)
