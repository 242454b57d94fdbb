"""How a client speaks on Ably's documented patterns: prompts, decisions and stops by name.

Rule: names and headers are parameters; the defaults are those of Ably's guides. `user-abort` and
the header of a prompt's metadata are ours: agents written after the guides ignore them.
Source: ably.com/docs, AI Transport getting-started guide for OpenAI, read 2026-08.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import msgspec

from ...chunks import FinishReason
from ...errors import NotSupported
from ...messages import TextPart, UIMessage
from .ai_transport.changes import Cancel, Trigger
from .ai_transport.input_encoder import EncodedInput
from .ai_transport.input_events import ApprovalAnswered, MessagePart, parsed_metadata
from .operations import Inbound, OutboundMessage, Publish

__all__ = [
    "PromptEncoder",
    "PromptNames",
    "finish_reason",
    "header",
    "read_arguments",
    "read_decision",
    "read_prompt",
    "read_stop",
]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptNames:
    """Names of messages and headers that clients and agents agree on."""

    prompt: str = "user-input"
    approval_request: str = "approval-request"
    approval_response: str = "approval-response"
    stop: str = "user-abort"
    prompt_header: str = "promptId"
    call_header: str = "toolCallId"
    metadata_header: str = "messageMetadata"


class PromptEncoder:
    """The client's end: prompts are text.

    Args:
        new_id: Gives prompt ids, for messages without one of their own.
        names: What messages are called.
    """

    def __init__(self, *, new_id: Callable[[], str], names: PromptNames | None = None) -> None:
        self._new_id = new_id
        self._names = names or PromptNames()

    def user_message(self, message: UIMessage) -> EncodedInput:
        """Ask.

        Raises:
            NotSupported: If the message has a part that is no text.
        """
        other = next((part for part in message.parts if not isinstance(part, TextPart)), None)
        if other is not None:
            raise NotSupported(
                f"unable to send a {other.type!r} part; this wire carries text prompts only"
            )
        prompt_id = message.id or self._new_id()
        data = {"promptId": prompt_id, "text": message.text}
        extras = None
        if message.metadata is not None:
            metadata = msgspec.json.encode(message.metadata).decode()
            extras = {"headers": {self._names.metadata_header: metadata}}
        prompt = OutboundMessage(name=self._names.prompt, data=data, extras=extras)
        return _encoded(prompt, prompt_id)

    def approval(
        self, tool_call_id: str, *, approved: bool, reason: str | None = None
    ) -> EncodedInput:
        """Answer an approval request; `reason` is ours, agents after the guides ignore it."""
        data = {"decision": "approved" if approved else "rejected"}
        if reason is not None:
            data["reason"] = reason
        extras = {"headers": {self._names.call_header: tool_call_id}}
        message = OutboundMessage(name=self._names.approval_response, data=data, extras=extras)
        return _encoded(message, tool_call_id)

    def cancel(self, prompt_id: str | None) -> EncodedInput:
        """Ask that the reply to a prompt end; to every prompt, if none is named."""
        headers = {} if prompt_id is None else {self._names.prompt_header: prompt_id}
        message = OutboundMessage(name=self._names.stop, extras={"headers": headers})
        return _encoded(message, prompt_id or "")


def header(inbound: Inbound, name: str) -> str | None:
    """Read one of a message's `extras.headers`."""
    headers = inbound.extras.get("headers") if inbound.extras else None
    value = headers.get(name) if isinstance(headers, Mapping) else None
    return value if isinstance(value, str) else None


def read_prompt(inbound: Inbound, names: PromptNames) -> Trigger | None:
    """Read a prompt; None if it is malformed."""
    data = inbound.data
    text = data.get("text") if isinstance(data, Mapping) else None
    if not isinstance(text, str):
        return None
    given = data.get("promptId")
    prompt_id = given if isinstance(given, str) and given else inbound.serial
    return Trigger(
        serial=inbound.serial,
        input_id=prompt_id,
        event_id=prompt_id,
        event=MessagePart(
            message_id=prompt_id,
            role="user",
            part=TextPart(text=text),
            metadata=parsed_metadata(header(inbound, names.metadata_header)),
        ),
        role="user",
        client_id=inbound.client_id,
        user_claim=inbound.user_claim,
    )


def read_decision(inbound: Inbound, call: str) -> ApprovalAnswered:
    """Read a person's answer; anything but `approved` is a refusal."""
    data = inbound.data
    given: Mapping[str, JSON] = data if isinstance(data, Mapping) else {}
    reason = given.get("reason")
    return ApprovalAnswered(
        tool_call_id=call,
        approved=given.get("decision") == "approved",
        reason=reason if isinstance(reason, str) else None,
    )


def finish_reason(inbound: Inbound) -> FinishReason:
    """Read why a reply was complete; agents written after the guides do not say."""
    given = header(inbound, "finishReason")
    return next((known for known in get_args(FinishReason) if known == given), "stop")


def read_stop(inbound: Inbound, prompt_id: str | None) -> Cancel:
    """Read a wish that the reply to a prompt (or to every prompt, if None) end."""
    return Cancel(
        serial=inbound.serial,
        input_id=prompt_id,
        client_id=inbound.client_id,
        user_claim=inbound.user_claim,
    )


def read_arguments(given: JSON) -> JSON:
    """Read tool arguments; text that is no JSON stays text."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given


def _encoded(message: OutboundMessage, input_id: str) -> EncodedInput:
    return EncodedInput(
        operation=Publish(messages=(message,)), input_id=input_id, event_id=input_id
    )
