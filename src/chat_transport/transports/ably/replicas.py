"""Several processes of one agent on one channel: which of them answers what is said there.

Rule: the one that has listened longest answers; the others note what they heard, and the next one
answers what is left when it goes. The wire has no rule: two answers would be two branches. Two that
do not know of each other yet are told apart by the channel's order (`election`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from .channel import Member
from .remembered import remember

__all__ = ["STANDBY_S", "Replicas"]

STANDBY_S = 2.0
"""Seconds in which the process that leads must begin, before one that was invoked does."""

NEW_MS = 5_000
"""Milliseconds until everybody who is present has surely seen that a process is there too."""


class _Place(Protocol):
    """Where they are present."""

    def members(self) -> Sequence[Member]: ...


class Replicas:
    """The processes whose words count as the agent's, as their presence shows them.

    Args:
        channel: Where.
        is_agent: Whether the words of a client id count as ours.
        listens: Whether this process answers what it hears; off shows no `since`.
        now: Gives milliseconds since 1970.

    Attributes:
        since: What this process shows in presence: since when it listens; None if it does not.
    """

    def __init__(
        self,
        channel: _Place,
        is_agent: Callable[[str | None], bool],
        *,
        listens: bool,
        now: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self.since = int(now()) if listens else None
        self._now = now
        self._channel = channel
        self._is_agent = is_agent
        self._heard: dict[str, None] = {}

    def leads(self, connection_id: str | None) -> bool:
        """Whether nobody else answers: no other process listens, or none for longer."""
        others = self._others(connection_id)
        if self.since is None:
            return not others
        return all((self.since, connection_id or "") < other for other in others)

    def _others(self, connection_id: str | None) -> list[tuple[int, str]]:
        return [
            (member.data["since"], member.connection_id or "")
            for member in self._channel.members()
            if member.connection_id != connection_id
            and isinstance(member.data, dict)
            and isinstance(member.data.get("since"), int)
            and self._is_agent(member.client_id)
        ]

    def may_meet(self, connection_id: str | None) -> bool:
        """Whether another process may answer the same input: others are there, or we are new."""
        if self.since is None or self._now() - self.since < NEW_MS:
            return True
        return bool(self._others(connection_id))

    def note(self, event_id: str) -> None:
        """Note an input that another process answers."""
        remember(self._heard, event_id, None)

    def inherited(self, connection_id: str | None) -> Sequence[str]:
        """Give what was noted, once this process leads."""
        if not self._heard or not self.leads(connection_id):
            return ()
        heard, self._heard = list(self._heard), {}
        return heard
