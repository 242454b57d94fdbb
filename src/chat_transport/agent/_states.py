"""The states of a run, as a table.

Rule: a pair that is not in the table is a bug, and `step` says so. No I/O here.
Source: run lifecycle of `@ably/ai-transport` 0.8 (active, suspended, ended with a reason).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from ..errors import LocalProtocolError
from .run import RunEndReason

__all__ = ["TRANSITIONS", "Completed", "Failed", "RunEvent", "RunState", "Stopped", "Waits", "step"]

RunState: TypeAlias = Literal["active", "suspended", "ended"]


@dataclass(frozen=True, slots=True)
class Completed:
    """The handler ended and nothing is open."""

    reason: ClassVar[RunEndReason] = "complete"


@dataclass(frozen=True, slots=True)
class Waits:
    """The handler ended, and a tool call waits for a person or for a client."""

    reason: ClassVar[RunEndReason] = "complete"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user stopped the run, or the agent closed; `text` is the reason shown, if any."""

    text: str | None = None
    reason: ClassVar[RunEndReason] = "cancelled"


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, broke the grammar, or said `error` itself.

    Attributes:
        error: What was raised; None if the handler said `error` itself.
        text: What the user reads.
    """

    text: str
    error: Exception | None = None
    reason: ClassVar[RunEndReason] = "error"


RunEvent: TypeAlias = Completed | Waits | Stopped | Failed

TRANSITIONS: dict[tuple[RunState, type[RunEvent]], RunState] = {
    ("active", Completed): "ended",
    ("active", Waits): "suspended",
    ("active", Stopped): "ended",
    ("active", Failed): "ended",
    ("suspended", Stopped): "ended",
}
"""What may happen to a run. A suspended run that goes on is a new `ActiveRun` of the same name."""


def step(state: RunState, event: RunEvent) -> RunState:
    """Give the state after `event`.

    Raises:
        LocalProtocolError: If the event may not happen in this state.
    """
    try:
        return TRANSITIONS[state, type(event)]
    except KeyError:
        raise LocalProtocolError(
            f"unable to apply {type(event).__name__} to a run; it is {state!r}"
        ) from None
