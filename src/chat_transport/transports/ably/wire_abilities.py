"""What only some wires can do: steering, saying why not, going on in old messages, ends in silence.

Rule: the shell asks whether an end has the ability, by `isinstance`; nothing here is required.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ...codecs.ably.operations import Inbound, Publish
from ...messages import UIMessage
from .wire import Heard, Outgoing, RunRef

__all__ = [
    "ContinuingSpeaker",
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
