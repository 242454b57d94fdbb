"""What an agent shows of itself in a channel's presence, whenever it has changed.

Rule: the newest status is shown; those that passed meanwhile are not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

from ...errors import TransportError

__all__ = ["ShownStatus"]

log = logging.getLogger(__name__)
Status: TypeAlias = Literal["online", "thinking", "streaming"]


class _Place(Protocol):
    """Where it is shown."""

    @property
    def name(self) -> str: ...

    async def present(self, data: Any) -> None: ...


class ShownStatus:
    """The status of one agent on one channel.

    Args:
        channel: Where.
        since: Shown beside it: since when this process listens (ms); None shows nothing.
    """

    def __init__(self, channel: _Place, *, since: int | None = None) -> None:
        self._channel = channel
        # `type` is how clients of ably-ai-sdk-transport tell an agent from a person.
        beside = {} if since is None else {"since": since}
        self._beside: dict[str, str | int] = {"type": "agent", **beside}
        self._wanted: Status = "online"
        self._shown: Status | None = None
        self._changed = asyncio.Event()

    async def enter(self) -> None:
        """Be seen as online.

        Raises:
            TransportError: If the channel refuses.
        """
        await self._channel.present({"status": "online", **self._beside})
        self._shown = "online"

    def want(self, status: Status) -> None:
        """Say what is so now."""
        self._wanted = status
        self._changed.set()

    def want_for(self, runs: Sequence[bool]) -> None:
        """Say what is so with these runs under way: whether each has spoken."""
        self.want("online" if not runs else "streaming" if any(runs) else "thinking")

    async def show(self) -> None:
        """Show what is wanted, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._wanted != self._shown:
                self._shown = self._wanted
                try:
                    await self._channel.present({"status": self._shown, **self._beside})
                except TransportError as error:
                    log.warning("unable to show presence on %s: %s", self._channel.name, error)
