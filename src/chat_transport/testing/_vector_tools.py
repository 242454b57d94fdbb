"""What all vector checks share: comparing as JSON, and building chunks past all checks.

Rule: an absent key is not null; `1` and `1.0` are equal; numbers beyond 2**53 compare as doubles,
because the recordings come from JavaScript.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import msgspec

from ..chunks import ABSENT, CHUNK_TYPES, DataChunk, OpaqueChunk, UIMessageChunk
from ..codecs.ui_stream import decode_chunk
from ..errors import RemoteProtocolError

__all__ = [
    "JSON",
    "Case",
    "VectorFailed",
    "build_chunk",
    "expect",
    "expect_error",
    "expect_name",
    "same_json",
]

JSON: TypeAlias = Any  # any JSON value
Case: TypeAlias = dict[str, JSON]
_EXACT = 2**53


class VectorFailed(AssertionError):
    """A case came out differently."""


def expect(what: str, found: JSON, wanted: JSON) -> None:
    """Compare as JSON.

    Raises:
        VectorFailed: If they differ; shows both, cut short.
    """
    if not same_json(found, wanted):
        raise VectorFailed(f"{what}: found {_short(found)}, expected {_short(wanted)}")


def expect_error(error: Exception | None, wanted: str | None) -> None:
    """Compare an error with the recorded one: whether there was any.

    Raises:
        VectorFailed: If one failed and the other did not.
    """
    if (error is None) != (wanted is None):
        raise VectorFailed(f"error: found {error!r}, expected {wanted!r}")


def expect_name(case: Case, name: str | None) -> None:
    """Compare the class of an error, as JavaScript names it; older recordings do not name it.

    Raises:
        VectorFailed: If the recorded class is another.
    """
    expect("error_name", name, case.get("error_name", name))


def same_json(found: JSON, wanted: JSON) -> bool:
    """Whether two JSON values are equal."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return found == wanted or (abs(found) > _EXACT and float(found) == float(wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(
            same_json(found[key], wanted[key]) for key in found
        )
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same_json, found, wanted))
    return type(found) is type(wanted) and bool(found == wanted)


def build_chunk(value: Case) -> UIMessageChunk:
    """Build a chunk as a caller would who ignores the types: missing fields stay absent."""
    try:
        return decode_chunk(value)
    except RemoteProtocolError:
        kind: str = value["type"]
    if kind.startswith("data-"):
        known = {name: value.get(name, ABSENT) for name in ("data", "id", "transient")}
        return DataChunk(type=kind, **known)
    cls = CHUNK_TYPES.get(kind)
    if cls is None:
        return OpaqueChunk(type=kind, fields={k: v for k, v in value.items() if k != "type"})
    fields = {
        field.name: value.get(field.encode_name, ABSENT)
        for field in msgspec.structs.fields(cls)
        if field.encode_name != "__extra__"
    }
    return cls(**fields)


def _short(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 400 else f"{text[:400]}..."
