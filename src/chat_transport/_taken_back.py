"""What a `reset-step` took back, left out: a late reader is told what counts and no more.

Rule: pure; folding what is left gives the same message. Where that is not certain, such as a reset
of steps that are not all in sight, everything stays as it was said.
"""

from __future__ import annotations

from collections.abc import Sequence

from .chunks import (
    ABSENT,
    DataChunk,
    MessageMetadata,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    StartStep,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)

__all__ = ["without_void"]

_OPENS = (TextStart, ReasoningStart)
_ENDS = (TextEnd, ReasoningEnd)
_BEGINS_CALL = (ToolInputStart, ToolInputAvailable, ToolInputError)
_OF_CALL = (
    ToolInputDelta,
    ToolOutputAvailable,
    ToolOutputError,
    ToolOutputDenied,
    ToolApprovalRequest,
)


def without_void(chunks: Sequence[UIMessageChunk]) -> Sequence[UIMessageChunk]:
    """Leave out what each `reset-step` took back, and the reset with it."""
    kept: list[UIMessageChunk] = []
    for chunk in chunks:
        if isinstance(chunk, ResetStep):
            at = _first_void(kept, 1 if chunk.steps is ABSENT else chunk.steps)
            lasting = None if at is None else _lasting(kept[:at], kept[at:])
            if lasting is not None:
                kept[at:] = lasting
                continue
        kept.append(chunk)
    return kept


def _first_void(said: Sequence[UIMessageChunk], steps: int) -> int | None:
    """Give the place behind the marker of the first step that is void; None if it is not there."""
    for at in range(len(said) - 1, -1, -1):
        if isinstance(said[at], StartStep):
            steps -= 1
            if not steps:
                return at + 1
        elif isinstance(said[at], ResetStep):
            return None
    return None


def _lasting(
    before: Sequence[UIMessageChunk], void: Sequence[UIMessageChunk]
) -> list[UIMessageChunk] | None:
    """Give what lasts of `void`: what it said of the message as a whole, and of earlier parts."""
    if _open_blocks(before):
        return None
    is_certain = not any(isinstance(chunk, ResetStep) for chunk in before)
    known = {
        (chunk.type, chunk.id) for chunk in before if is_certain and isinstance(chunk, DataChunk)
    }
    calls: set[str] = set()
    approvals: set[str] = set()
    lasting: list[UIMessageChunk] = []
    for chunk in void:
        if isinstance(chunk, DataChunk) and chunk.id is not ABSENT and chunk.transient is not True:
            if (chunk.type, chunk.id) not in known:
                return None  # it may stand in the message that the reply goes on with
            lasting.append(chunk)
        elif isinstance(chunk, _BEGINS_CALL):
            calls.add(chunk.tool_call_id)
        elif isinstance(chunk, _OF_CALL):
            if chunk.tool_call_id not in calls:
                lasting.append(chunk)
            elif isinstance(chunk, ToolApprovalRequest):
                approvals.add(chunk.approval_id)
        elif isinstance(chunk, MessageMetadata) or (
            isinstance(chunk, ToolApprovalResponse) and chunk.approval_id not in approvals
        ):
            lasting.append(chunk)
    return lasting


def _open_blocks(said: Sequence[UIMessageChunk]) -> bool:
    opened: set[tuple[str, str]] = set()
    for chunk in said:
        if isinstance(chunk, _OPENS):
            opened.add((chunk.type.partition("-")[0], chunk.id))
        elif isinstance(chunk, _ENDS):
            opened.discard((chunk.type.partition("-")[0], chunk.id))
    return bool(opened)
