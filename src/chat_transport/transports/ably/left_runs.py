"""Runs that an agent of our name left when its process died: which they are, whoever asks.

Rule: nothing is taken from the living: while another agent of our name is present, nothing is left.
Ably lets a client id change its own messages (`message-update-own`): an agent of that name goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from .channel import Member
from .remembered import remember
from .wire import RunRef

__all__ = ["LeftRuns", "OfLeftRuns"]

OfLeftRuns: TypeAlias = Literal["end", "again"]
"""What becomes of a run whose process died: it ends as failed, or its handler runs again."""


class _Place(Protocol):
    """Where we are."""

    def members(self) -> Sequence[Member]: ...


class LeftRuns:
    """What is left on one channel.

    Args:
        channel: Where.
        own: Our client id; None leaves nothing to us.
    """

    def __init__(self, channel: _Place, own: str | None) -> None:
        self._channel = channel
        self._own = own
        self._taken: dict[str, None] = {}
        self._speakers: dict[str, str | None] = {}

    def take(self, run_id: str) -> None:
        """Note that the run is ours: served here, or dealt with."""
        remember(self._taken, run_id, None)

    def note_speaker(self, run_id: str | None, client_id: str | None) -> None:
        """Note who announced a run."""
        if run_id is not None:
            remember(self._speakers, run_id, client_id)

    def found(self, active: Sequence[RunRef], connection_id: str | None) -> Sequence[RunRef]:
        """Give the runs of these that are left, each once.

        Args:
            active: Runs under way on the channel.
            connection_id: Ours: who is present under it is ourselves.
        """
        if self._own is None:
            return ()
        for member in self._channel.members():
            if member.client_id == self._own and member.connection_id != connection_id:
                return ()
        left = [
            ref
            for ref in active
            if ref.run_id is not None
            and ref.run_id not in self._taken
            and self._speakers.get(ref.run_id) == self._own
        ]
        for ref in left:
            assert ref.run_id is not None
            self.take(ref.run_id)
        return left
