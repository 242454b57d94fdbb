"""What a server believes of a request: the stored chat, plus what a user may add to it.

Rule: with a stored chat, only the user's own words, tool outputs that were asked for and answers
to approvals that were asked for are taken from the request. Roles are never taken on trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...codecs.ui_request import ChatRequest
from ...errors import RemoteProtocolError
from ...messages import DynamicToolPart, ToolPart, UIMessage, UIMessagePart

__all__ = ["Turn", "believe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The conversation that a run shall work on.

    Attributes:
        messages: What is believed, prompt included.
        message_id: The message that is continued or regenerated; None for a new prompt.
    """

    messages: Sequence[UIMessage]
    message_id: str | None


def believe(stored: Sequence[UIMessage], request: ChatRequest) -> Turn:
    """Give the conversation for `request`, where the server's own record is `stored`.

    Without a record the client's words are taken as its history, but no instruction
    (`system`) and no approval: this agent asked for none.

    Raises:
        RemoteProtocolError: If the request names a message that the chat does not have.
    """
    base = list(stored) if stored else _claimed(request.messages)
    if request.trigger == "regenerate-message":
        if not stored:  # the client has cut its list already
            return Turn(messages=base, message_id=request.message_id)
        return _regenerated(base, request)
    last = request.messages[-1]
    if last.role == "system":
        raise RemoteProtocolError("`messages` must not end with a system message")
    if last.role == "user":
        return Turn(messages=_with_prompt(base, request, last), message_id=None)
    return _continued(base, last)


def _claimed(messages: Sequence[UIMessage]) -> list[UIMessage]:
    believed: list[UIMessage] = []
    for message in messages:
        if message.role == "system":
            continue
        parts = [part for part in message.parts if not _is_answered_approval(part)]
        believed.append(
            message
            if len(parts) == len(message.parts)
            else message.model_copy(update={"parts": parts})
        )
    return believed


def _is_answered_approval(part: UIMessagePart) -> bool:
    return isinstance(part, ToolPart | DynamicToolPart) and part.state == "approval-responded"


def _regenerated(base: list[UIMessage], request: ChatRequest) -> Turn:
    at = len(base) - 1 if request.message_id is None else _place(base, request.message_id)
    if at is None:
        # AI SDK clients send the list already cut, and may name the message that they cut away.
        known = [message.id for message in request.messages]
        at = next((i for i, m in enumerate(base) if m.id not in known), None)
    if at is None:
        raise RemoteProtocolError(
            f"unable to regenerate message {request.message_id!r}; "
            f"chat {request.chat_id!r} has no such message"
        )
    keep = at if base[at].role == "assistant" else at + 1
    return Turn(messages=base[:keep], message_id=request.message_id)


def _with_prompt(base: list[UIMessage], request: ChatRequest, prompt: UIMessage) -> list[UIMessage]:
    """Append the prompt, or put it in the place of the message that it changes."""
    at = _place(base, request.message_id or prompt.id)
    if at is not None and base[at].role == "user":
        return [*base[:at], prompt]
    claims = {message.id: message for message in request.messages}
    answered = [_answered(message, claims.get(message.id)) for message in base]
    return [*answered, prompt]


def _continued(base: list[UIMessage], claim: UIMessage) -> Turn:
    at = _place(base, claim.id)
    if at is None or base[at].role != "assistant":
        raise RemoteProtocolError(
            f"unable to continue message {claim.id!r}; the chat has no such reply"
        )
    return Turn(messages=[*base[:at], _answered(base[at], claim)], message_id=claim.id)


def _answered(stored: UIMessage, claim: UIMessage | None) -> UIMessage:
    """Give the stored message with the claim's tool outputs and approvals that were asked for."""
    if claim is None or stored.role != "assistant" or claim is stored:
        return stored
    claims = {
        part.tool_call_id: part
        for part in claim.parts
        if isinstance(part, ToolPart | DynamicToolPart)
    }
    parts: list[UIMessagePart] = []
    for part in stored.parts:
        given = (
            claims.get(part.tool_call_id) if isinstance(part, ToolPart | DynamicToolPart) else None
        )
        parts.append(part if given is None else _answered_part(part, given))  # type: ignore[arg-type]  # `given` is None unless it is a tool part
    return stored.model_copy(update={"parts": parts})


def _answered_part(
    stored: ToolPart | DynamicToolPart, claim: ToolPart | DynamicToolPart
) -> ToolPart | DynamicToolPart:
    if stored.state == "input-available" and not stored.provider_executed:
        if claim.state == "output-available":
            return stored.model_copy(update={"state": claim.state, "output": claim.output})
        if claim.state == "output-error":
            return stored.model_copy(
                update={"state": claim.state, "error_text": claim.error_text or ""}
            )
    asked, answer = stored.approval, claim.approval
    if (
        stored.state == "approval-requested"
        and claim.state == "approval-responded"
        and asked is not None
        and answer is not None
        and answer.id == asked.id
        and answer.approved is not None
    ):
        given = {"approved": answer.approved}
        update = given if answer.reason is None else {**given, "reason": answer.reason}
        return stored.model_copy(
            update={"state": "approval-responded", "approval": asked.model_copy(update=update)}
        )
    return stored


def _place(messages: Sequence[UIMessage], message_id: str) -> int | None:
    for index, message in enumerate(messages):
        if message.id == message_id:
            return index
    return None
