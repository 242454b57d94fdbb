"""What a wire may know of work that is done again: attempts, and runs whose process died.

Rule: abilities that a wire need not have; the shell asks with `isinstance`.
Source: @ably/ai-transport 0.8.0, `RunStep` and `adoptRun`; wire document, section 18.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

from ...chunks import UIMessageChunk
from ...codecs.ably.operations import Operation
from .wire import AgentWire, RunRef, RunTask

__all__ = ["AdoptingAgent", "SteppingSpeaker", "adopted"]


@runtime_checkable
class SteppingSpeaker(Protocol):
    """A speaker with a word for attempts: its readers drop what a later one takes back."""

    def begin_attempt(self, step: str) -> Sequence[Operation]:
        """Open an attempt; the same name again takes back the one before."""
        ...

    def end_attempt(
        self, reason: Literal["complete", "failed", "cancelled"]
    ) -> Sequence[Operation]:
        """Close it."""
        ...

    def settle(self) -> Sequence[Operation]:
        """Take back what a process that died has said in steps that were not tried again."""
        ...

    def encode_beside(self, chunk: UIMessageChunk) -> Sequence[Operation]:
        """Say a chunk that stays when the open attempt is taken back."""
        ...


@runtime_checkable
class AdoptingAgent(Protocol):
    """An agent's end on whose wire a run can go on in another process."""

    def adopt(self, ref: RunRef) -> tuple[str, RunTask] | None:
        """Give the input that a run answers (its event id), and the task to do it again.

        None if the run is not under way, or the input has not been read (yet).
        """
        ...


async def adopted(
    wire: AgentWire, ref: RunRef, load_older: Callable[[], Awaitable[bool]]
) -> tuple[str, RunTask] | None:
    """Give the input and task of a run to do again, reading back for it; None if that is not so."""
    if not isinstance(wire, AdoptingAgent):
        return None
    while (found := wire.adopt(ref)) is None:
        if not await load_older():
            break
    return found
