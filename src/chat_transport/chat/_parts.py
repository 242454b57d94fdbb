"""What tool parts of messages say about whose turn it is, and how a client answers them.

Rule: pure functions of parts. Source: AI SDK 7.0.173 `AbstractChat`.
"""

from __future__ import annotations

from typing import TypeGuard

from ..inputs import ApprovalResponse, ToolOutput
from ..messages import DynamicToolPart, ToolApproval, ToolPart, UIMessage, UIMessagePart

__all__ = [
    "answers_call",
    "has_unsent_approval",
    "is_answered_approval",
    "is_tool_part",
    "is_unfinished",
    "waits_for_approval",
    "waits_for_user",
    "with_approval",
    "with_output",
]


def is_tool_part(part: UIMessagePart) -> TypeGuard[ToolPart | DynamicToolPart]:
    """Whether the part is a tool call, static or dynamic."""
    return isinstance(part, (ToolPart, DynamicToolPart))


def answers_call(part: UIMessagePart, output: ToolOutput) -> bool:
    """Whether `output` belongs to the part."""
    return is_tool_part(part) and part.tool_call_id == output.tool_call_id


def with_output(part: UIMessagePart, output: ToolOutput) -> UIMessagePart:
    """Give the part with its result; of its approval only a granted one stays."""
    if not answers_call(part, output):
        return part
    assert is_tool_part(part)
    fields = _fields(part)
    approval = part.approval
    if approval is None or approval.approved is not True:
        fields.pop("approval", None)
    fields.pop("output", None)
    fields.pop("error_text", None)
    if output.error_text is not None:
        fields |= {"state": "output-error", "error_text": output.error_text}
    else:
        fields |= {"state": "output-available", "output": output.output}
    return type(part).assemble(fields, part.model_extra)


def waits_for_approval(part: UIMessagePart, approval_id: str) -> bool:
    """Whether the part asks for exactly this approval."""
    return (
        is_tool_part(part)
        and part.state == "approval-requested"
        and part.approval is not None
        and part.approval.id == approval_id
    )


def with_approval(part: UIMessagePart, response: ApprovalResponse) -> UIMessagePart:
    """Give the part with the person's answer."""
    if not waits_for_approval(part, response.approval_id):
        return part
    assert is_tool_part(part)
    assert part.approval is not None
    answer = _fields(part.approval) | {"id": response.approval_id, "approved": response.approved}
    answer.pop("reason", None)
    if response.reason is not None:
        answer["reason"] = response.reason
    approval = ToolApproval.assemble(answer, part.approval.model_extra)
    fields = _fields(part) | {"state": "approval-responded", "approval": approval}
    return type(part).assemble(fields, part.model_extra)


def _fields(model: ToolPart | DynamicToolPart | ToolApproval) -> dict[str, object]:
    return {
        name: getattr(model, name)
        for name in type(model).model_fields
        if name in model.model_fields_set
    }


def is_answered_approval(message: UIMessage) -> bool:
    """Whether an assistant message holds an answered approval."""
    return message.role == "assistant" and any(
        is_tool_part(part) and part.state == "approval-responded" for part in message.parts
    )


def waits_for_user(message: UIMessage | None) -> bool:
    """Whether the last message has a call without result, or an approval not yet sent."""
    return (
        message is not None
        and message.role == "assistant"
        and any(
            is_tool_part(part) and (_is_open(part) or part.state == "approval-responded")
            for part in message.parts
        )
    )


def has_unsent_approval(message: UIMessage | None) -> bool:
    """Whether the last message's approvals are answered and nothing else is open."""
    return (
        message is not None
        and is_answered_approval(message)
        and not any(is_tool_part(part) and _is_open(part) for part in message.parts)
    )


def _is_open(part: ToolPart | DynamicToolPart) -> bool:
    return part.state == "approval-requested" or (
        not part.provider_executed and part.state in {"input-streaming", "input-available"}
    )


def is_unfinished(message: UIMessage) -> bool:
    """Whether a resumed stream may go on in the middle of one of the message's tool calls."""
    return message.role == "assistant" and any(
        is_tool_part(part)
        and (
            part.state in {"input-streaming", "approval-responded"}
            or (part.state == "input-available" and bool(part.provider_executed))
        )
        for part in message.parts
    )
