"""Every way to spoil one place of a recorded expectation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

JSON: TypeAlias = Any  # any JSON value
Place: TypeAlias = tuple[str | int, ...]
Spoiling: TypeAlias = tuple[Place, str]
"""Where, and how: `change` the value, `add` to it, `drop` it, or `retype` a truth as a number."""


def spoilings(value: JSON, place: Place = ()) -> Iterator[Spoiling]:
    """Give every way to spoil `value` and what is in it."""
    yield place, "change"
    if isinstance(value, bool) and place:
        yield place, "retype"
    if isinstance(value, dict | list):
        yield place, "add"
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*place, key), "drop"
            yield from spoilings(value[key], (*place, key))


def spoil(case: JSON, spoiling: Spoiling) -> JSON:
    """Give a copy of the case that is wrong in one place."""
    place, how = spoiling
    spoiled = holder = copy.deepcopy(case)
    for key in place[:-1]:
        holder = holder[key]
    if how == "drop":
        del holder[place[-1]]
    else:
        holder[place[-1]] = _SPOILED[how](holder[place[-1]])
    return spoiled


def pattern(place: Place) -> str:
    """Give the place with `*` for the number of an item."""
    return ".".join("*" if isinstance(key, int) else key for key in place)


def _changed(value: JSON) -> JSON:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}~" if isinstance(value, str) else "spoiled"


def _added(value: JSON) -> JSON:
    return {**value, "spoiled": 1} if isinstance(value, Mapping) else [*value, {"type": "spoiled"}]


_SPOILED: Mapping[str, Callable[[JSON], JSON]] = {"change": _changed, "add": _added, "retype": int}
"""How -> what becomes of the value. 1 equals True in Python, not in JSON."""
