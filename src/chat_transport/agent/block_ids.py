"""Ids kept apart: several sources write into one reply without touching each other's parts.

Rule: an id belongs to the source that opens it first; another source that opens the same id gets a
name of its own, in every chunk that it writes. Ids that are free stay as they are.
"""

from __future__ import annotations

import msgspec

from ..chunks import (
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)

__all__ = ["BlockIds", "SourceIds"]

_OPENS = (TextStart, ReasoningStart, ToolInputStart, ToolInputAvailable, ToolInputError)
_NAMES: dict[type[UIMessageChunk], tuple[str, str]] = {
    **dict.fromkeys((TextStart, TextDelta, TextEnd), ("text", "id")),
    **dict.fromkeys((ReasoningStart, ReasoningDelta, ReasoningEnd), ("reasoning", "id")),
    **dict.fromkeys(
        (
            ToolInputStart, ToolInputDelta, ToolInputAvailable, ToolInputError,
            ToolApprovalRequest, ToolOutputAvailable, ToolOutputError, ToolOutputDenied,
        ),
        ("tool", "tool_call_id"),
    ),
}  # fmt: skip
"""Chunk class -> the kind of id that it names and the field that holds it."""


class BlockIds:
    """Who owns which id in one reply."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], SourceIds] = {}

    def source(self) -> SourceIds:
        """Give the ids of one more source."""
        return SourceIds(self._owners)


class SourceIds:
    """The ids of one source."""

    def __init__(self, owners: dict[tuple[str, str], SourceIds]) -> None:
        self._owners = owners
        self._renamed: dict[tuple[str, str], str] = {}

    def rename(self, chunk: UIMessageChunk) -> UIMessageChunk:
        """Give the chunk under the id that its source has in the reply."""
        named = _NAMES.get(type(chunk))
        if named is None:
            return chunk
        kind, name = named
        given: str = getattr(chunk, name)
        ours = self._renamed.get((kind, given))
        if ours is None:
            ours = self._claim(kind, given) if isinstance(chunk, _OPENS) else given
        return chunk if ours == given else msgspec.structs.replace(chunk, **{name: ours})

    def _claim(self, kind: str, given: str) -> str:
        ours, number = given, 1
        while self._owners.setdefault((kind, ours), self) is not self:
            number += 1
            ours = f"{given}~{number}"
        self._renamed[kind, given] = ours
        return ours
