"""What one delivery changed in a conversation.

Rule: plain facts for the shells to route; nothing here decides who may do what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

import msgspec

from .facts import RunReason, RunState
from .input_events import InputEvent

__all__ = ["Cancel", "Change", "ChangeEvent", "RunView", "Trigger"]

C = TypeVar("C")
ChangeEvent: TypeAlias = Literal[
    "input", "cancel", "run-start", "run-suspend", "run-resume", "run-end", "step"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """An input as it was published; several messages (parts) of one input give one trigger.

    Attributes:
        input_id: Its codec-message-id; for approvals that of the assistant message.
        run_id: The run that it re-enters or steers; None asks for a new one.
        owner: What the writer claims as owner of the run (`run-client-id`).
        client_id: Who published it, vouched for by Ably.
        user_claim: The role that the token server vouched for.
    """

    serial: str
    input_id: str
    event_id: str | None
    event: InputEvent | None
    role: str
    run_id: str | None = None
    parent: str | None = None
    fork_of: str | None = None
    regenerates: str | None = None
    owner: str | None = None
    client_id: str | None = None
    user_claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A wish that a run end, named by itself, by the input that it answers, or both."""

    serial: str
    run_id: str | None = None
    input_id: str | None = None
    client_id: str | None = None
    user_claim: str | None = None


class Change(msgspec.Struct, Generic[C], frozen=True, kw_only=True):
    """What one delivery changed.

    Attributes:
        run_id: The run concerned.
        input_id: The trigger that the chunks answer: a client finds its reply by this.
        chunks: New chunks of that reply; empty for history.
        event: What happened beside chunks; None if the delivery only carried output.
        replaced: What was said before is void or was replaced: read the messages again.
    """

    run_id: str | None = None
    input_id: str | None = None
    chunks: Sequence[C] = ()
    event: ChangeEvent | None = None
    input: Trigger | None = None
    cancel: Cancel | None = None
    replaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as it stands.

    Attributes:
        client_id: Its owner, as the agent says.
        reason: How it ended; None while it has not.
        input_ids: Triggers that its invocations answer, oldest known first.
        message_ids: Codec-message-ids of its messages.
        announced: Its start was seen, so nothing older of it exists.
        parent: Codec-message-id of what it follows.
        regenerates: Codec-message-id of the answer that it takes the place of.
    """

    run_id: str
    state: RunState
    reason: RunReason | None
    error_code: int | None
    error_message: str | None
    client_id: str
    invocation_id: str
    input_ids: tuple[str, ...]
    announced: bool
    serial: str
    parent: str | None = None
    regenerates: str | None = None
