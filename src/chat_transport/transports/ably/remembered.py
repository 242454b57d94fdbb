"""A memory with an end: what was dealt with long ago is forgotten first.

Rule: adding is all it does; a key that is known stays where it is.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ["remember"]

V = TypeVar("V")

REMEMBERED = 1000
"""Inputs, runs and the like that are known at once."""


def remember(known: dict[str, V], key: str, value: V, *, limit: int = REMEMBERED) -> None:
    """Note a value; the oldest goes when there are more than `limit`."""
    known[key] = value
    if len(known) > limit:
        del known[next(iter(known))]
