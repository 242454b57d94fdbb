"""A message in the chunks that rebuild it: what a resumed reply had before its run began.

Rule: a client that resumes forgets the message at the first `start`, so the stream must say the
whole reply. Only chunks that every client knows: an answered approval is told by its outcome.
Source: AI SDK 7.0.173 `resetStateOnFirstMessageStart`, the same in 6.0.326; 5.0.277 starts empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from ..chunks import (
    ABSENT,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from ..messages import (
    DynamicToolPart,
    ReasoningPart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
    UIMessagePart,
)
from .ui_stream import decode_chunk

__all__ = ["retold"]

JSON: TypeAlias = Any  # any JSON value


def retold(message: UIMessage) -> Iterator[UIMessageChunk]:
    """Give `start`, and chunks from which a client makes the message again; nothing stays open."""
    yield Start(message_id=message.id, message_metadata=_given(message.metadata))
    in_step = False
    for number, part in enumerate(message.parts):
        match part:
            case StepStartPart():
                if in_step:
                    yield FinishStep()
                yield StartStep()
                in_step = True
            case TextPart() | ReasoningPart():
                yield from _words(part, f"retold-{number}")
            case ToolPart() | DynamicToolPart():
                yield from _call(part)
            case _:
                yield _whole(part)
    if in_step:
        yield FinishStep()


def _given(value: JSON) -> JSON:
    return ABSENT if value is None else value


def _words(part: TextPart | ReasoningPart, block_id: str) -> Iterator[UIMessageChunk]:
    metadata = _given(part.provider_metadata)
    if isinstance(part, TextPart):
        yield TextStart(id=block_id, provider_metadata=metadata)
        yield TextDelta(id=block_id, delta=part.text)
        yield TextEnd(id=block_id, citations=_given(part.citations))
    else:
        block_id = part.id or block_id
        yield ReasoningStart(id=block_id, provider_metadata=metadata)
        yield ReasoningDelta(id=block_id, delta=part.text)
        yield ReasoningEnd(id=block_id)


def _call(part: ToolPart | DynamicToolPart) -> Iterator[UIMessageChunk]:
    dynamic = isinstance(part, DynamicToolPart)
    call: dict[str, JSON] = {
        "tool_call_id": part.tool_call_id,
        "tool_name": part.tool_name if dynamic else part.type.partition("-")[2],
        "provider_executed": _given(part.provider_executed),
        "provider_metadata": _given(part.call_provider_metadata),
        "tool_metadata": _given(part.tool_metadata),
        "title": _given(part.title),
        "dynamic": True if dynamic else ABSENT,
    }
    if part.state == "input-streaming":
        yield ToolInputStart(**call, input_encoding=_given(part.input_encoding))
    elif part.state == "output-error" and part.input is None:
        yield ToolInputError(**call, input=part.raw_input, error_text=part.error_text or "")
    else:
        yield ToolInputAvailable(**call, input=part.input)
        yield from _outcome(part)


def _outcome(part: ToolPart | DynamicToolPart) -> Iterator[UIMessageChunk]:
    call_id, metadata = part.tool_call_id, _given(part.result_provider_metadata)
    if part.state == "output-available":
        yield ToolOutputAvailable(
            tool_call_id=call_id,
            output=part.output,
            preliminary=_given(part.preliminary),
            provider_metadata=metadata,
        )
    elif part.state == "output-error":
        yield ToolOutputError(
            tool_call_id=call_id, error_text=part.error_text or "", provider_metadata=metadata
        )
    elif part.state == "output-denied":
        yield ToolOutputDenied(tool_call_id=call_id)
    elif part.state == "approval-requested" and part.approval is not None:
        asked = part.approval
        yield ToolApprovalRequest(
            tool_call_id=call_id,
            approval_id=asked.id,
            approval_descriptor=_given(asked.descriptor),
            input_schema_input=_given(asked.input_schema_input),
            reason=_given(asked.request_reason),
            is_automatic=_given(asked.is_automatic),
            signature=_given(asked.signature),
        )


def _whole(part: UIMessagePart) -> UIMessageChunk:
    """Files, sources, data and the like: the chunk looks as the part does."""
    return decode_chunk(part.to_wire())
