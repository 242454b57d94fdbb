"""What only some wires can do: steering, elections, going on in old messages, ends in silence.

Rule: the shell asks whether an end has the ability, by `isinstance`; nothing here is required.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ...codecs.ably.operations import Inbound, Operation, Publish
from ...messages import UIMessage
from .wire import Heard, Outgoing, RunRef, RunTask

__all__ = [
    "ContinuingSpeaker",
    "ElectingAgent",
    "LeavingSpeaker",
    "RefusingAgent",
    "Steer",
    "SteeringAgent",
    "SteeringClient",
    "SteeringSpeaker",
    "UnmarkedClient",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """Something said to a run that is under way."""

    run_id: str
    input_id: str
    message: UIMessage


@runtime_checkable
class SteeringClient(Protocol):
    """A client's end that can say something to a run that is under way."""

    def steer(self, run_id: str, message: UIMessage) -> Outgoing:
        """Give what says it."""
        ...

    def is_heard(self, run_id: str, input_id: str) -> bool:
        """Whether the run has answered it."""
        ...


@runtime_checkable
class UnmarkedClient(Protocol):
    """A client's end of a wire on which agents need not say the end of a reply."""

    @property
    def idle_s(self) -> float | None:
        """Seconds without a word after which such a reply counts as complete; None is never."""
        ...

    def unmarked(self) -> Sequence[tuple[RunRef, int | None]]:
        """Give the replies that speak and whose end nobody will mark; when, in ms, if known."""
        ...

    def conclude(self, ref: RunRef) -> Heard | None:
        """Take such a reply as complete, until it speaks again."""
        ...


@runtime_checkable
class SteeringAgent(Protocol):
    """An agent's end that can be steered."""

    def steer_of(self, event_id: str) -> Steer | None:
        """Give what an input says to a run; None if it is something else."""
        ...


@runtime_checkable
class RefusingAgent(Protocol):
    """An agent's end that tells who asks why that is not believed."""

    def refusal(self, message: Inbound) -> Publish | None:
        """Give what to say to a message that was not believed; None to say nothing."""
        ...


@runtime_checkable
class ElectingAgent(Protocol):
    """An agent's end on whose wire several processes can see which of them answers."""

    def stand_for(self, agent: str) -> None:
        """Call runs as every process of this agent calls them: two of them begin the same run."""
        ...

    def announcements(self, task: RunTask) -> Sequence[str]:
        """Give the serials of the messages that began this part of the run, sorted."""
        ...


@runtime_checkable
class LeavingSpeaker(Protocol):
    """A speaker that can fall silent in a run that another process goes on with."""

    def leave(self) -> Sequence[Operation]:
        """Close what is open; the run is not ended."""
        ...


@runtime_checkable
class ContinuingSpeaker(Protocol):
    """A speaker that may change messages that were published before."""

    def continued(self) -> Sequence[tuple[str, str, str]]:
        """Give key, serial and text of those messages."""
        ...


@runtime_checkable
class SteeringSpeaker(Protocol):
    """A speaker that can tell whom it answers."""

    def answer(self, steers: Sequence[str]) -> None:
        """Mark what is said from now on as an answer to these inputs."""
        ...
