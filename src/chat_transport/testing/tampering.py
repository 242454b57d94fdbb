"""Golden chunks with one thing changed: what a check must not take for equal.

Rule: pure; the same chunks give the same changes. For authors of adapters.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

__all__ = ["tampered"]

JSON: TypeAlias = Any  # any JSON value
Chunk: TypeAlias = dict[str, JSON]
Path: TypeAlias = tuple[str | int, ...]

_UNCOMPARED = frozenset({"start", "message-metadata"})
_NUMBERED = frozenset({"id", "toolCallId", "sourceId", "approvalId"})
"""Names of parts, which are compared by order of appearance."""
_STRANGERS: tuple[Chunk, ...] = (
    {"type": "text-delta", "id": "0", "delta": "stranger"},
    {"type": "file", "url": "data:image/png;base64,eA==", "mediaType": "image/png"},
    {"type": "source-url", "sourceId": "stranger", "url": "https://stranger.example"},
    {"type": "tool-output-available", "toolCallId": "stranger", "output": {}},
    {"type": "finish", "finishReason": "stop"},
)
_REASONS = ("stop", "length", "content-filter", "tool-calls", "error", "other", "interrupted")


def tampered(golden: Sequence[Chunk]) -> Iterator[tuple[str, list[Chunk]]]:
    """Give the chunks again and again, each time with one thing changed, and what it is.

    Of each type of chunk the first and the last are dropped, doubled and, value by value, altered.
    """
    for index in _picked(golden):
        before, chunk, after = golden[:index], golden[index], golden[index + 1 :]
        name = f"{chunk['type']} at {index}"
        yield f"no {name}", [*before, *after]
        yield f"twice {name}", [*before, chunk, chunk, *after]
        for path, value in _values(chunk):
            if path == ("finishReason",):
                continue
            where = ".".join(map(str, path))
            yield f"other {where} of {name}", [*before, _with(chunk, path, _other(value)), *after]
    for index, chunk in enumerate(golden):
        if chunk["type"] == "finish":
            for reason in _REASONS:
                if reason != chunk["finishReason"]:
                    changed = chunk | {"finishReason": reason}
                    yield f"finish {reason}", [*golden[:index], changed, *golden[index + 1 :]]
    middle = 1 + len(golden) // 2
    for stranger in _STRANGERS:
        yield f"a strange {stranger['type']}", [*golden[:middle], stranger, *golden[middle:]]


def _picked(golden: Sequence[Chunk]) -> list[int]:
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, chunk in enumerate(golden):
        if chunk["type"] not in _UNCOMPARED:
            first.setdefault(chunk["type"], index)
            last[chunk["type"]] = index
    return sorted({*first.values(), *last.values()})


def _values(value: JSON, path: Path = ()) -> Iterator[tuple[Path, JSON]]:
    if isinstance(value, dict):
        for key, one in value.items():
            is_uncompared = not path and (key in _NUMBERED or key in {"type", "messageMetadata"})
            if not is_uncompared:
                yield from _values(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value[:2]):
            yield from _values(one, (*path, index))
    else:
        yield path, value


def _other(value: JSON) -> JSON:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}, changed"
    return "changed"


def _with(chunk: Chunk, path: Path, value: JSON) -> Chunk:
    changed = copy.deepcopy(chunk)
    place: JSON = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed
