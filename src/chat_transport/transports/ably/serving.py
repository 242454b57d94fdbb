"""How an agent serves its chats: what `AblyAgent` was told, for each of its sessions.

Rule: plain values; nothing here acts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ...errors import RequestRejected
from .left_runs import Heritage, OfLeftRuns
from .policy import Policy
from .prompt_reading import Past

__all__ = ["InHand", "Serving", "not_found"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How an agent serves its chats.

    Attributes:
        policy: Who may do what.
        listens: Answer every input that comes while attached; off answers invocations only.
        window_s: Seconds in which deltas are put together; 0 is off.
        locate_s: Seconds for finding the input that an invocation names.
        pages: Pages of history read at most to find an input, or for a prompt.
        left_runs: What becomes of the runs of an agent of ours whose process died.
        inherits: Whose runs are ours then, beside those of our own name.
        past: Gives what an own store has of a chat.
    """

    policy: Policy
    listens: bool = True
    window_s: float = 0.04
    locate_s: float = 10.0
    pages: int = 20
    left_runs: OfLeftRuns = "end"
    inherits: Heritage = lambda _: False
    past: Past | None = None


class InHand:
    """Counts what an agent serves, from when it is decided until all of it is said."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is served."""
        return self._empty.is_set()

    def add(self) -> None:
        """Count one more."""
        self._count += 1
        self._empty.clear()

    def remove(self) -> None:
        """Count one less."""
        self._count -= 1
        if not self._count:
            self._empty.set()

    async def wait_until_empty(self) -> None:
        """Wait until nothing is served."""
        await self._empty.wait()


def not_found(event_id: str, channel: str, locate_s: float) -> RequestRejected:
    """Give the refusal of an invocation whose input did not come in time."""
    return RequestRejected(
        f"unable to find input {event_id!r} on channel {channel!r} in {locate_s:g} s;"
        " publish it before the invocation is sent",
        status=404,
        code=104010,
    )
