"""Message metadata: how what comes later is merged into what is there.

Rule: objects merge at every depth; anything else, null included, replaces.
Source: `mergeObjects` of AI SDK 7.0.173, pinned by the vectors of group `merge`.
"""

from __future__ import annotations

from typing import Any

from .chunks import ABSENT

__all__ = ["merge_metadata"]

_PROTOTYPE_KEYS = frozenset({"__proto__", "constructor", "prototype"})
"""Keys that JavaScript peers never take over in a merge."""


def merge_metadata(current: Any, incoming: Any) -> Any:
    """Merge `incoming` into a copy of `current`; either may be ABSENT, null changes nothing."""
    if incoming is ABSENT or incoming is None:
        return current
    if current is ABSENT or current is None:
        return incoming
    return _merge(current, incoming)


def _merge(current: Any, incoming: Any) -> Any:
    if not (isinstance(current, dict) and isinstance(incoming, dict)):
        return incoming
    merged = dict(current)
    for key, value in incoming.items():
        if key not in _PROTOTYPE_KEYS:
            merged[key] = _merge(merged[key], value) if key in merged else value
    return merged
