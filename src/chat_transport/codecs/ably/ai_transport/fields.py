"""How fields of chunks become codec headers, and back.

Rule: an absent or wrongly typed value writes no header; a malformed header reads as absent.
Source: @ably/ai-transport 0.8.0, `core/codec/fields.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["Field", "read_fields", "write_fields"]

JSON: TypeAlias = Any  # any JSON value
_WORD: dict[str, bool] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the chunk's attribute, the header's key, and how the value is written.

    Attributes:
        default: What an absent header reads as; None leaves the attribute absent.
    """

    attribute: str
    key: str
    form: Literal["text", "flag", "json"] = "text"
    default: str | None = None


def write_fields(
    fields: Sequence[Field], source: object, headers: dict[str, str]
) -> dict[str, str]:
    """Add the headers for `source` to `headers` and give them back."""
    for field in fields:
        value = getattr(source, field.attribute)
        if field.form == "text":
            if isinstance(value, str):
                headers[field.key] = value
        elif field.form == "flag":
            if isinstance(value, bool):
                headers[field.key] = "true" if value else "false"
        elif value is not msgspec.UNSET and value is not None:
            headers[field.key] = msgspec.json.encode(value).decode()
    return headers


def read_fields(fields: Sequence[Field], headers: Mapping[str, str]) -> dict[str, JSON]:
    """Read the attributes that the headers give."""
    values: dict[str, JSON] = {}
    for field in fields:
        raw = headers.get(field.key, field.default)
        if not isinstance(raw, str):
            continue
        value: JSON = raw
        if field.form == "flag":
            value = _WORD.get(raw)
        elif field.form == "json":
            value = _parsed(raw)
        if value is not None:
            values[field.attribute] = value
    return values


def _parsed(text: str) -> JSON:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
