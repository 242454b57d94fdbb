"""What a client answers in an assistant message that it gives back: outputs and decisions.

Rule: the record says which calls wait; of the message that comes back nothing else is read.
Source: AI SDK 7.0.173, `addToolOutput` and `addToolApprovalResponse` send the whole last message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from ....messages import DynamicToolPart, ToolPart, UIMessage
from .input_events import ApprovalAnswered, ToolResolved

__all__ = ["Answer", "answers_in", "calls_of", "waits"]

Answer: TypeAlias = ToolResolved | ApprovalAnswered
_Call: TypeAlias = ToolPart | DynamicToolPart


def calls_of(message: UIMessage) -> Iterator[_Call]:
    """Give the tool calls of a message, in order."""
    return (part for part in message.parts if isinstance(part, ToolPart | DynamicToolPart))


def waits(call: _Call) -> bool:
    """Whether a client is to answer the call, once the reply has ended."""
    if call.state == "input-available":
        return not call.provider_executed
    return call.state == "approval-requested"


def answers_in(known: UIMessage, given_back: UIMessage) -> list[Answer]:
    """Give the answers to calls that wait in `known`.

    Args:
        known: The message as the agent said it.
        given_back: The same as a client claims it to be.
    """
    claims = {call.tool_call_id: call for call in calls_of(given_back)}
    found: list[Answer] = []
    for call in calls_of(known):
        claim = claims.get(call.tool_call_id)
        if claim is not None and waits(call):
            answer = _output(claim) if call.state == "input-available" else _decision(call, claim)
            if answer is not None:
                found.append(answer)
    return found


def _output(claim: _Call) -> ToolResolved | None:
    if claim.state == "output-available":
        return ToolResolved(tool_call_id=claim.tool_call_id, output=claim.output)
    if claim.state == "output-error":
        text = claim.error_text or "failed"
        return ToolResolved(tool_call_id=claim.tool_call_id, error_text=text)
    return None


def _decision(call: _Call, claim: _Call) -> ApprovalAnswered | None:
    asked, answer = call.approval, claim.approval
    if claim.state != "approval-responded" or asked is None or answer is None:
        return None
    if answer.id != asked.id or answer.approved is None:
        return None
    return ApprovalAnswered(
        tool_call_id=claim.tool_call_id, approved=answer.approved, reason=answer.reason
    )
