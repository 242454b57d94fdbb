"""What a client can ask of an agent.

Rule: plain frozen records. Whatever they hold is a claim that the agent's end checks.
Source: AI SDK 7.0.173 `ChatTransport` and `AbstractChat`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .messages import UIMessage

__all__ = [
    "ApprovalResponse",
    "Reconnect",
    "SendMessages",
    "Stop",
    "ToolOutput",
    "Trigger",
]

JSON: TypeAlias = Any  # any JSON value
Trigger: TypeAlias = Literal["submit-message", "regenerate-message"]
"""What a person did to ask for a reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessages:
    """Ask for a reply.

    Attributes:
        chat_id: The chat.
        messages: The whole conversation as the client sees it.
        trigger: A new or changed message, or a wish for another answer.
        message_id: The message that is replaced, continued or regenerated; None if not known.
        headers: For this request only.
        body: Extra JSON fields for this request only.
        metadata: For hooks of the transport; never sent by itself.
    """

    chat_id: str
    messages: Sequence[UIMessage]
    trigger: Trigger = "submit-message"
    message_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    metadata: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """Ask for the reply that is under way in a chat."""

    chat_id: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    metadata: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Ask the agent to end a run; every active run of the chat if `run_id` is None."""

    chat_id: str
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """The client's result of a tool call: `output`, or `error_text` if it failed."""

    tool_call_id: str
    output: JSON = None
    error_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResponse:
    """A person's answer to an approval request."""

    approval_id: str
    approved: bool
    reason: str | None = None
