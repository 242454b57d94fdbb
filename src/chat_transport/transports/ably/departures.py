"""Breaks off the replies of an agent that left without ending them, as its presence shows.

Rule: an agent may be away for a moment; one that never showed itself cannot be missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from anyio.abc import TaskGroup

from ...errors import StreamInterrupted
from .channel import Member
from .reply_reader import ReplyReaders

__all__ = ["GRACE_S", "Departures"]

GRACE_S = 2.0
"""Seconds that an agent may be away before its replies count as broken off."""


class _Place(Protocol):
    """Where they are present."""

    def members(self) -> Sequence[Member]: ...


class Departures:
    """Watches those who speak in one chat.

    Args:
        channel: Where.
        readers: Who reads which reply.
    """

    def __init__(self, channel: _Place, readers: ReplyReaders) -> None:
        self._channel = channel
        self._readers = readers
        self._met: set[str | None] = set()
        self._away: set[str] = set()

    def look(self, tasks: TaskGroup) -> None:
        """See who has left; replies of those who stay away are broken off in `tasks`."""
        present = self._present()
        self._met |= present
        speakers = set(self._readers.speakers.values())
        gone = (speakers & self._met) - present
        for client_id in gone - self._away:
            self._away.add(client_id)
            tasks.start_soon(self._mourn, client_id)
        self._away &= gone

    def _present(self) -> set[str | None]:
        return {member.client_id for member in self._channel.members()}

    async def _mourn(self, client_id: str) -> None:
        await asyncio.sleep(GRACE_S)
        if client_id in self._present() or client_id not in self._away:
            return
        broken = [key for key, speaker in self._readers.speakers.items() if speaker == client_id]
        self._readers.close(
            StreamInterrupted(
                f"the agent {client_id!r} left before it had finished", resumable=True
            ),
            broken,
        )
