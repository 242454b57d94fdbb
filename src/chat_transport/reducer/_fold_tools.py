"""Folds of tool calls: inputs, approvals, outputs.

Rule: a call is looked for in the current step first; one call id may name a static and a dynamic
part at once. Each change of state sets or removes every field that belongs to a state.
Source: `processUIMessageStream` of AI SDK 7.0.173, pinned by the vectors of group `reduce`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ..chunks import (
    ABSENT,
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
from ..messages import (
    DynamicToolPart,
    ToolApproval,
    ToolPart,
    ToolState,
)
from ._message_state import PartState, StreamedInput
from ._reply_state import WRITE, Fold, ReplyState, Write, refuse

__all__ = ["TOOL_FOLDS", "take_up_inputs"]

JSON: TypeAlias = Any  # any JSON value

_REPLACED = ("input", "output", "error_text", "raw_input", "input_encoding", "preliminary")
"""Fields of a tool part that each change of state sets or removes."""

# ── tool inputs ──────────────────────────────────────────────────────────────────────────────


def take_up_inputs(state: ReplyState) -> None:
    """Go on with the tool inputs that the last step of an adopted message left open."""
    for part in state.message.parts[state.message.step_start :]:
        fields = part.fields
        if not part.is_tool or fields["state"] != "input-streaming":
            continue
        dynamic = part.cls is DynamicToolPart
        name = fields["tool_name"] if dynamic else fields["type"].partition("-")[2]
        state.inputs[fields["tool_call_id"]] = StreamedInput(
            tool_name=name,
            dynamic=dynamic,
            encoding=fields.get("input_encoding", ABSENT),
            title=fields.get("title", ABSENT),
            tool_metadata=fields.get("tool_metadata", ABSENT),
            text=fields.get("raw_input") or "",
        )


def _tool_input_start(state: ReplyState, chunk: ToolInputStart) -> Write:
    dynamic = chunk.dynamic is True
    before = state.inputs.get(chunk.tool_call_id)
    if before is not None and before.part is not None:
        before.part.release_input()
    state.inputs[chunk.tool_call_id] = StreamedInput(
        tool_name=chunk.tool_name,
        dynamic=dynamic,
        encoding=chunk.input_encoding,
        title=chunk.title,
        tool_metadata=chunk.tool_metadata,
    )
    part = _tool_part(state, chunk.tool_call_id, chunk.tool_name, dynamic=dynamic)
    _set_tool(state, part, "input-streaming", {"input_encoding": chunk.input_encoding})
    _describe(part, chunk.title, chunk.tool_metadata)
    _credit(part, chunk.provider_executed, "call", chunk.provider_metadata)
    return WRITE


def _tool_input_delta(state: ReplyState, chunk: ToolInputDelta) -> Write:
    streamed = state.inputs.get(chunk.tool_call_id)
    if streamed is None:
        refuse(
            chunk.type,
            chunk.tool_call_id,
            f'Received tool-input-delta for missing tool call with ID "{chunk.tool_call_id}". '
            'Ensure a "tool-input-start" chunk is sent before any "tool-input-delta" chunks.',
        )
    part = state.message.call_of_kind(chunk.tool_call_id, dynamic=streamed.dynamic)
    if part is None or streamed.part is not part:
        part = _show_input(state, chunk.tool_call_id, streamed)
    else:
        streamed.hides_text = False
    streamed.pieces.append(chunk.input_text_delta)
    state.message.touch(part)
    return WRITE


def _show_input(state: ReplyState, call_id: str, streamed: StreamedInput) -> PartState:
    if streamed.part is not None:
        streamed.part.release_input()
    known = state.message.call_of_kind(call_id, dynamic=streamed.dynamic)
    streamed.hides_text = streamed.dynamic and known is None
    part = _tool_part(state, call_id, streamed.tool_name, dynamic=streamed.dynamic)
    _set_tool(state, part, "input-streaming", {"input_encoding": streamed.encoding})
    _describe(part, streamed.title, streamed.tool_metadata)
    part.input = streamed
    streamed.part = part
    return part


def _tool_input_available(state: ReplyState, chunk: ToolInputAvailable) -> Write:
    dynamic = chunk.dynamic is True
    part = _tool_part(state, chunk.tool_call_id, chunk.tool_name, dynamic=dynamic)
    _set_tool(state, part, "input-available", {"input": chunk.input})
    _describe(part, chunk.title, chunk.tool_metadata)
    _credit(part, chunk.provider_executed, "call", chunk.provider_metadata)
    return WRITE


def _tool_input_error(state: ReplyState, chunk: ToolInputError) -> Write:
    known = state.message.call_in_step(chunk.tool_call_id)
    dynamic = chunk.dynamic is True if known is None else known.cls is DynamicToolPart
    part = _tool_part(state, chunk.tool_call_id, chunk.tool_name, dynamic=dynamic)
    values = {"input": chunk.input, "error_text": chunk.error_text}
    _set_tool(state, part, "output-error", values)
    _describe(part, ABSENT, chunk.tool_metadata)
    _credit(part, chunk.provider_executed, "result", chunk.provider_metadata)
    return WRITE


# ── approvals ────────────────────────────────────────────────────────────────────────────────


def _tool_approval_request(state: ReplyState, chunk: ToolApprovalRequest) -> Write:
    part = _known_call(state, chunk.tool_call_id)
    part.release_input()
    asked: dict[str, JSON] = {"id": chunk.approval_id}
    if chunk.approval_descriptor is not ABSENT and chunk.approval_descriptor is not None:
        asked["descriptor"] = chunk.approval_descriptor
    if chunk.input_schema_input is not ABSENT:
        asked["input_schema_input"] = chunk.input_schema_input
    if chunk.reason is not ABSENT:
        asked["request_reason"] = chunk.reason
    if chunk.is_automatic is True:
        asked["is_automatic"] = True
    if chunk.signature is not ABSENT:
        asked["signature"] = chunk.signature
    part.fields["state"] = "approval-requested"
    part.fields["approval"] = ToolApproval.assemble(asked)
    state.message.touch(part)
    return WRITE


def _tool_approval_response(state: ReplyState, chunk: ToolApprovalResponse) -> Write:
    part = state.message.asked_approval(chunk.approval_id)
    if part is None:
        refuse(
            chunk.type,
            chunk.approval_id,
            f'No tool invocation found for approval ID "{chunk.approval_id}".',
        )
    part.release_input()
    answer: dict[str, JSON] = {"id": chunk.approval_id, "approved": chunk.approved}
    if chunk.reason is not ABSENT:
        answer["reason"] = chunk.reason
    approval: ToolApproval = part.fields["approval"]
    part.fields["state"] = "approval-responded"
    part.fields["approval"] = approval.model_copy(update=answer)
    _credit(part, chunk.provider_executed, "call", chunk.provider_metadata)
    state.message.touch(part)
    return WRITE


# ── tool outputs ─────────────────────────────────────────────────────────────────────────────


def _tool_output_denied(state: ReplyState, chunk: ToolOutputDenied) -> Write:
    part = _known_call(state, chunk.tool_call_id)
    part.release_input()
    part.fields["state"] = "output-denied"
    state.message.touch(part)
    return WRITE


def _tool_output_available(state: ReplyState, chunk: ToolOutputAvailable) -> Write:
    part = _known_call(state, chunk.tool_call_id)
    part.release_input()
    values = {
        "input": part.fields.get("input", ABSENT),
        "output": chunk.output,
        "preliminary": chunk.preliminary,
    }
    _set_tool(state, part, "output-available", values)
    _describe(part, ABSENT, chunk.tool_metadata)
    _credit(part, chunk.provider_executed, "result", chunk.provider_metadata)
    return WRITE


def _tool_output_error(state: ReplyState, chunk: ToolOutputError) -> Write:
    part = _known_call(state, chunk.tool_call_id)
    part.release_input()
    values = {"input": part.fields.get("input", ABSENT), "error_text": chunk.error_text}
    if part.cls is ToolPart:
        values["raw_input"] = part.fields.get("raw_input", ABSENT)
    _set_tool(state, part, "output-error", values)
    _describe(part, ABSENT, chunk.tool_metadata)
    _credit(part, chunk.provider_executed, "result", chunk.provider_metadata)
    return WRITE


# ── what the tool rows share ─────────────────────────────────────────────────────────────────


def _known_call(state: ReplyState, call_id: str) -> PartState:
    part = state.message.call(call_id)
    if part is None:
        refuse(
            "tool-invocation", call_id, f'No tool invocation found for tool call ID "{call_id}".'
        )
    return part


def _tool_part(state: ReplyState, call_id: str, tool_name: str, *, dynamic: bool) -> PartState:
    part = state.message.call_of_kind(call_id, dynamic=dynamic)
    if part is None:
        fields: dict[str, JSON] = {"type": "dynamic-tool", "tool_call_id": call_id}
        part = state.message.push(PartState(DynamicToolPart if dynamic else ToolPart, fields))
    if dynamic:
        part.fields["tool_name"] = tool_name
    else:
        part.fields["type"] = f"tool-{tool_name}"
    return part


def _set_tool(
    state: ReplyState, part: PartState, tool_state: ToolState, values: dict[str, JSON]
) -> None:
    if part.input is not None:
        part.input.part = None
        part.input = None
    fields = part.fields
    fields["state"] = tool_state
    for name in _REPLACED:
        value = values.get(name, ABSENT)
        if value is not ABSENT:
            fields[name] = value
        else:
            fields.pop(name, None)
    state.message.touch(part)


def _describe(part: PartState, title: JSON, tool_metadata: JSON) -> None:
    if title is not ABSENT:
        part.fields["title"] = title
    if tool_metadata is not ABSENT:
        part.fields["tool_metadata"] = tool_metadata


def _credit(part: PartState, executed: JSON, side: str, metadata: JSON) -> None:
    if executed is not ABSENT:
        part.fields["provider_executed"] = executed
    if metadata is not ABSENT:
        part.fields[f"{side}_provider_metadata"] = metadata


TOOL_FOLDS: dict[type[UIMessageChunk], Fold] = {
    ToolInputStart: _tool_input_start,
    ToolInputDelta: _tool_input_delta,
    ToolInputAvailable: _tool_input_available,
    ToolInputError: _tool_input_error,
    ToolApprovalRequest: _tool_approval_request,
    ToolApprovalResponse: _tool_approval_response,
    ToolOutputAvailable: _tool_output_available,
    ToolOutputError: _tool_output_error,
    ToolOutputDenied: _tool_output_denied,
}
"""Chunk class -> its fold."""
