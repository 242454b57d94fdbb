"""Client profiles: what each generation of AI SDK clients accepts, so that no chunk kills a reply.

Rule: a client fails the whole response at a type, and before 5.0.217, 6.0.231 and 7.0.32 at a
field, that it does not know. What it does not know is dropped or put in words that it knows.
Source: the schemas of ai 5.0.0, 5.0.277, 6.0.0, 6.0.326, 7.0.0 and 7.0.173, pinned by the vectors
of group `compat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from ..chunks import (
    ABSENT,
    CHUNK_TYPES,
    DataChunk,
    Finish,
    OpaqueChunk,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from ..errors import RemoteProtocolError
from .ui_stream import decode_chunk

__all__ = ["CLIENT_PROFILES", "V5", "V6", "V7", "ClientProfile"]

JSON: TypeAlias = Any  # any JSON value
_Version: TypeAlias = tuple[int, int, int]

_NEVER: _Version = (99, 0, 0)
_KEEPS_EXTRA: dict[int, _Version] = {5: (5, 0, 217), 6: (6, 0, 231), 7: (7, 0, 32)}
"""Major -> first release that passes unknown fields on instead of failing."""

_Since: TypeAlias = Mapping[int, _Version]
"""Major -> first release that knows it; a major that is not named never does."""


def _since(*versions: _Version) -> dict[int, _Version]:
    known = {7: (7, 0, 0)}
    known.update({version[0]: version for version in versions})
    return known


_LATE_5_AND_6_0 = _since((5, 0, 1), (6, 0, 0))
_V6 = _since((6, 0, 0))
_LATE_V6 = _since((6, 0, 1))
_V7 = _since()
_LATE_V7 = _since((7, 0, 1))
_LATE_V6_AND_V7 = _since((6, 0, 1), (7, 0, 1))

_TYPES: dict[str, _Since] = {
    "tool-input-error": _LATE_5_AND_6_0,
    "tool-approval-request": _V6,
    "tool-output-denied": _V6,
    "tool-approval-response": _V7,
    "custom": _V7,
    "reasoning-file": _V7,
    "reset-step": _since((7, 0, 70)),
    "steering-message": _since((7, 0, 163)),
}
"""Chunk type -> first releases that know it. What is not here, 5.0.0 knows."""

_FIELDS: dict[tuple[str, str], _Since] = {
    ("finish", "finishReason"): _LATE_5_AND_6_0,
    ("abort", "reason"): _LATE_V6,
    ("text-end", "citations"): _LATE_V7,
    ("tool-input-start", "inputEncoding"): _LATE_V6_AND_V7,
    ("tool-input-start", "providerMetadata"): _LATE_V6,
    ("tool-output-available", "providerMetadata"): _LATE_V6,
    ("tool-output-error", "providerMetadata"): _LATE_V6,
    ("tool-output-available", "preliminary"): _LATE_5_AND_6_0,
    **{(kind, "title"): _V6 for kind in ("tool-input-start", "tool-input-available")},
    ("tool-input-error", "title"): _V6,
    **{
        (kind, "toolMetadata"): _LATE_V6
        for kind, cls in CHUNK_TYPES.items()
        if "tool_metadata" in cls.__struct_fields__
    },
    ("tool-approval-request", "isAutomatic"): _V7,
    ("tool-approval-request", "signature"): _LATE_V6,
    ("tool-approval-request", "reason"): _LATE_V7,
    ("tool-approval-request", "approvalDescriptor"): _LATE_V7,
    ("tool-approval-request", "inputSchemaInput"): _LATE_V7,
}
"""Chunk type and field -> first releases that know it. What is not here is as old as its type."""

_INTERRUPTED_SINCE: _Since = _since((7, 0, 149))
"""`finishReason: interrupted`; before, the reason is given as `other`."""

_LEGACY: dict[str, dict[str, type]] = {
    "reasoning": {"text": str},
    "reasoning-part-finish": {},
}
"""Types that 5.0.0 still reads and nobody writes any more -> required fields."""


class ClientProfile:
    """What one generation of clients accepts.

    Args:
        version: The oldest release of the AI SDK to write for, such as `6.0.0`.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        numbers = tuple(int(number) for number in version.split("."))
        if len(numbers) != 3 or not 5 <= numbers[0] <= 7:
            raise ValueError(f"unable to write for AI SDK {version!r}; it is not 5.x.y to 7.x.y")
        self._version: _Version = (numbers[0], numbers[1], numbers[2])
        self.keeps_extra = self._version >= _KEEPS_EXTRA[numbers[0]]
        """Whether fields that the release does not know do no harm."""
        self._unknown_types = {name for name in CHUNK_TYPES if not self._has(_TYPES.get(name))}
        self._unknown_fields: dict[str, set[str]] = {}
        for (kind, field), since in _FIELDS.items():
            if not self._has(since):
                self._unknown_fields.setdefault(kind, set()).add(field)
        self._drops = {
            CHUNK_TYPES[kind]: tuple(
                field.name
                for field in msgspec.structs.fields(CHUNK_TYPES[kind])
                if field.encode_name in names
            )
            for kind, names in self._unknown_fields.items()
        }

    def __repr__(self) -> str:
        return f"ClientProfile({self.version!r})"

    def admit(self, chunk: UIMessageChunk) -> UIMessageChunk | None:
        """Give the chunk as this client can read it; None if it must not be written.

        Unknown fields are removed from older strict clients only; `interrupted` becomes `other`,
        and a refused call becomes a failed one where refusals are not known.
        """
        cls = type(chunk)
        if cls is OpaqueChunk:
            return None
        if cls is not DataChunk and chunk.type in self._unknown_types:
            if isinstance(chunk, ToolOutputDenied):
                return ToolOutputError(
                    tool_call_id=chunk.tool_call_id, error_text="Tool call execution denied."
                )
            return None
        changes: dict[str, JSON] = {}
        if not self.keeps_extra:
            for name in self._drops.get(cls, ()):
                if getattr(chunk, name) is not ABSENT:
                    changes[name] = ABSENT
            if chunk.extra is not ABSENT:
                changes["extra"] = ABSENT
        if (
            isinstance(chunk, Finish)
            and chunk.finish_reason == "interrupted"
            and not self._has(_INTERRUPTED_SINCE)
        ):
            changes.setdefault("finish_reason", "other")
        return msgspec.structs.replace(chunk, **changes) if changes else chunk

    def accepts(self, value: JSON) -> bool:
        """Whether this client reads the JSON object `value` as a chunk."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return False
        kind = value["type"]
        if kind in _LEGACY:
            return self._version == (5, 0, 0) and _has_shape(value, _LEGACY[kind])
        if kind in self._unknown_types:
            return False
        unknown_fields = self._unknown_fields.get(kind, ())
        known = {key: item for key, item in value.items() if key not in unknown_fields}
        if len(known) < len(value) and not self.keeps_extra:
            return False
        if kind == "finish" and not self._accepts_reason(known.pop("finishReason", ABSENT)):
            return False
        try:
            chunk = decode_chunk(known, unknown="refuse")
        except RemoteProtocolError:
            return False
        return self.keeps_extra or chunk.extra is ABSENT

    def _accepts_reason(self, reason: JSON) -> bool:
        if reason is ABSENT:
            return True
        reasons = {"stop", "length", "content-filter", "tool-calls", "error", "other"}
        if self._version[0] == 5:
            reasons.add("unknown")
        if self._has(_INTERRUPTED_SINCE):
            reasons.add("interrupted")
        return isinstance(reason, str) and reason in reasons

    def _has(self, since: _Since | None) -> bool:
        return since is None or self._version >= since.get(self._version[0], _NEVER)


def _has_shape(value: dict[str, JSON], required: dict[str, type]) -> bool:
    allowed = {"type", "providerMetadata", *required} if required else {"type"}
    return value.keys() <= allowed and all(
        isinstance(value.get(name), kind) for name, kind in required.items()
    )


V5 = ClientProfile("5.0.0")
"""Every AI SDK 5 client, the strictest: no approvals, no finish reason, no unknown fields."""
V6 = ClientProfile("6.0.0")
"""Every AI SDK 6 client."""
V7 = ClientProfile("7.0.173")
"""The current client: the whole protocol. For older ones of this major say `7.0.0`."""
CLIENT_PROFILES: dict[str, ClientProfile] = {"v5": V5, "v6": V6, "v7": V7}
"""The profiles by the names that settings use."""
