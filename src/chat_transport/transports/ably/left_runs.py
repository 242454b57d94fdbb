"""Runs that an agent left when its process died: which of them are ours, whoever asks.

Rule: nothing is taken from the living: while another agent of the speaker's name is present, its
runs are not left. Of the agents that are there, the one that has listened longest takes them.
Ably lets a client id change its own messages (`message-update-own`); those of another one need
`message-update-any`, without which they stay open in a run that is ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, Protocol, TypeAlias

from .channel import Member
from .remembered import remember
from .wire import RunRef

__all__ = ["Heritage", "LeftRuns", "OfLeftRuns"]

OfLeftRuns: TypeAlias = Literal["end", "again"]
"""What becomes of a run whose process died: it ends as failed, or its handler runs again."""
Heritage: TypeAlias = Callable[[str], bool]
"""Whether the runs of an agent of this client id, beside our own, are ours when it is gone."""


class _Place(Protocol):
    """Where we are."""

    def members(self) -> Sequence[Member]: ...


class LeftRuns:
    """What is left on one channel.

    Args:
        channel: Where.
        own: Our client id; None leaves nothing to us.
        inherits: Whose runs are ours beside those of our own name.
        leads: Whether, of the agents that are there, it is we who take them.
    """

    def __init__(
        self,
        channel: _Place,
        own: str | None,
        *,
        inherits: Heritage = lambda _: False,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._channel = channel
        self._own = own
        self._inherits = inherits
        self._leads = leads
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
        if self._own is None or not active or not self._leads():
            return ()
        living = {
            member.client_id
            for member in self._channel.members()
            if member.connection_id != connection_id
        }
        left = [
            ref
            for ref in active
            if ref.run_id is not None
            and ref.run_id not in self._taken
            and self._is_ours(self._speakers.get(ref.run_id), living)
        ]
        for ref in left:
            assert ref.run_id is not None
            self.take(ref.run_id)
        return left

    def _is_ours(self, speaker: str | None, living: AbstractSet[str | None]) -> bool:
        if speaker is None or speaker in living:
            return False
        return speaker == self._own or self._inherits(speaker)
