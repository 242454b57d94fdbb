"""Folds of everything but tools: the message, its steps, text, reasoning, whole parts, data.

Rule: one function for each chunk class; it changes the state and says whether to publish.
Source: `processUIMessageStream` of AI SDK 7.0.173, pinned by the vectors of group `reduce`.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias

from ..chunks import (
    ABSENT,
    Custom,
    DataChunk,
    File,
    Finish,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningFile,
    ReasoningStart,
    ResetStep,
    SourceDocument,
    SourceUrl,
    Start,
    StartStep,
    SteeringMessage,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from ..messages import (
    CustomPart,
    DataPart,
    FilePart,
    ReasoningFilePart,
    ReasoningPart,
    SourceDocumentPart,
    SourceUrlPart,
    SteeringMessagePart,
    StepStartPart,
    TextPart,
    WireModel,
)
from ._message_state import PartState
from ._reply_state import QUIET_WRITE, WRITE, Fold, ReplyState, Write, refuse

__all__ = ["CONTENT_FOLDS"]

JSON: TypeAlias = Any  # any JSON value
_InBlock: TypeAlias = TextDelta | TextEnd | ReasoningDelta | ReasoningEnd

_WHOLE_PARTS: dict[type[UIMessageChunk], tuple[type[WireModel], tuple[str, ...]]] = {
    File: (FilePart, ("media_type", "url", "provider_metadata")),
    ReasoningFile: (ReasoningFilePart, ("media_type", "url", "provider_metadata")),
    SourceUrl: (SourceUrlPart, ("source_id", "url", "title", "provider_metadata")),
    SourceDocument: (
        SourceDocumentPart,
        ("source_id", "media_type", "title", "filename", "provider_metadata"),
    ),
    Custom: (CustomPart, ("kind", "provider_metadata")),
    SteeringMessage: (SteeringMessagePart, ("id", "parts")),
}
"""Chunks that become a part of their own -> the part and the fields that it takes over."""


# ── the message ──────────────────────────────────────────────────────────────────────────────


def _start(state: ReplyState, chunk: Start) -> Write | None:
    given = chunk.message_id
    renamed = given is not ABSENT and given != state.message.id
    reset = state.replays or (state.resets_on_id_change and renamed)
    state.replays = False
    if reset:
        state.begin_anew(state.message.id if given is ABSENT else given)
    elif given is not ABSENT:
        state.message.id = given
        state.message.changed()
    merged = state.merge(chunk.message_metadata)
    return QUIET_WRITE if reset or merged or given is not ABSENT else None


def _message_metadata(state: ReplyState, chunk: MessageMetadata) -> Write | None:
    return WRITE if state.merge(chunk.message_metadata) else None


def _finish(state: ReplyState, chunk: Finish) -> Write | None:
    if chunk.finish_reason is not ABSENT:
        state.finish_reason = chunk.finish_reason
    return WRITE if state.merge(chunk.message_metadata) else None


# ── steps ────────────────────────────────────────────────────────────────────────────────────


def _start_step(state: ReplyState, _: StartStep) -> None:
    state.message.push(PartState(StepStartPart, {"type": "step-start"}))


def _reset_step(state: ReplyState, chunk: ResetStep) -> Write | None:
    state.forget_open()
    count = 1 if chunk.steps is ABSENT else chunk.steps
    return WRITE if state.message.drop_steps(count) else None


# ── text and reasoning ───────────────────────────────────────────────────────────────────────


def _text_start(state: ReplyState, chunk: TextStart) -> Write:
    fields: dict[str, JSON] = {"type": "text", "text": "", "state": "streaming"}
    state.open_text[chunk.id] = _open(state, TextPart, fields, chunk.provider_metadata)
    return WRITE


def _reasoning_start(state: ReplyState, chunk: ReasoningStart) -> Write:
    fields: dict[str, JSON] = {
        "type": "reasoning", "id": chunk.id, "text": "", "state": "streaming",
    }  # fmt: skip
    state.open_reasoning[chunk.id] = _open(state, ReasoningPart, fields, chunk.provider_metadata)
    return WRITE


def _open(
    state: ReplyState, cls: type[WireModel], fields: dict[str, JSON], metadata: JSON
) -> PartState:
    if metadata is not ABSENT:
        fields["provider_metadata"] = metadata
    return state.message.push(PartState(cls, fields))


def _text_delta(state: ReplyState, chunk: TextDelta) -> Write:
    part = state.open_text.get(chunk.id)
    if part is None:
        _refuse_block(chunk, "text")
    part.pieces.append(chunk.delta)
    if chunk.provider_metadata is not ABSENT:
        part.fields["provider_metadata"] = chunk.provider_metadata
    state.message.touch(part)
    return WRITE


def _reasoning_delta(state: ReplyState, chunk: ReasoningDelta) -> Write:
    part = state.open_reasoning.get(chunk.id)
    if part is None:
        _refuse_block(chunk, "reasoning")
    part.pieces.append(chunk.delta)
    if chunk.provider_metadata is not ABSENT:
        part.fields["provider_metadata"] = chunk.provider_metadata
    state.message.touch(part)
    return WRITE


def _text_end(state: ReplyState, chunk: TextEnd) -> Write:
    part = state.open_text.pop(chunk.id, None)
    if part is None:
        _refuse_block(chunk, "text")
    if chunk.citations is not ABSENT:
        part.fields["citations"] = chunk.citations
    return _close(state, part, chunk.provider_metadata)


def _reasoning_end(state: ReplyState, chunk: ReasoningEnd) -> Write:
    part = state.open_reasoning.pop(chunk.id, None)
    if part is None:
        _refuse_block(chunk, "reasoning")
    return _close(state, part, chunk.provider_metadata)


def _close(state: ReplyState, part: PartState, metadata: JSON) -> Write:
    part.settle()
    part.pieces = []
    part.fields["state"] = "done"
    if metadata is not ABSENT:
        part.fields["provider_metadata"] = metadata
    state.message.touch(part)
    return WRITE


# ── whole parts ──────────────────────────────────────────────────────────────────────────────


def _whole_part(state: ReplyState, chunk: UIMessageChunk) -> Write:
    cls, names = _WHOLE_PARTS[type(chunk)]
    fields: dict[str, JSON] = {"type": chunk.type}
    for name in names:
        value = getattr(chunk, name)
        if value is not ABSENT:
            fields[name] = value
    state.message.push(PartState(cls, fields))
    return WRITE


def _data(state: ReplyState, chunk: DataChunk) -> Write | None:
    if chunk.transient is True:
        return None
    known = None
    if chunk.id is not ABSENT:
        known = state.message.data_part(chunk.type, chunk.id)
    if known is not None:
        known.fields["data"] = chunk.data
        state.message.touch(known)
        return WRITE
    fields: dict[str, JSON] = {"type": chunk.type}
    extra: dict[str, JSON] = {} if chunk.extra is ABSENT else dict(chunk.extra)
    if chunk.id is not ABSENT:
        fields["id"] = chunk.id
    if chunk.data is not ABSENT:
        fields["data"] = chunk.data
    if chunk.transient is not ABSENT:
        extra["transient"] = chunk.transient
    state.message.push(PartState(DataPart, fields, extra or None))
    return WRITE


def _refuse_block(chunk: _InBlock, kind: str) -> NoReturn:
    refuse(
        chunk.type,
        chunk.id,
        f'Received {chunk.type} for missing {kind} part with ID "{chunk.id}". '
        f'Ensure a "{kind}-start" chunk is sent before any "{chunk.type}" chunks.',
    )


CONTENT_FOLDS: dict[type[UIMessageChunk], Fold] = {
    Start: _start,
    Finish: _finish,
    MessageMetadata: _message_metadata,
    StartStep: _start_step,
    ResetStep: _reset_step,
    TextStart: _text_start,
    TextDelta: _text_delta,
    TextEnd: _text_end,
    ReasoningStart: _reasoning_start,
    ReasoningDelta: _reasoning_delta,
    ReasoningEnd: _reasoning_end,
    DataChunk: _data,
    **dict.fromkeys(_WHOLE_PARTS, _whole_part),
}
"""Chunk class -> its fold."""
