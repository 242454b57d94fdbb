"""The direct transport in the kit: the harness to copy for another transport.

Rule: one agent for each stage, in the check's own event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from ..agent.run import Handler, User
from ..agent.runtime import Agent, OnEnd
from ..transport import ChatTransport
from ..transports.direct import DirectChatTransport, DirectHost
from .harness import Harness, MakeClient

__all__ = ["DirectHarness"]


class DirectHarness(Harness):
    """Runs the kit over `DirectChatTransport`, or over what `wrap` makes of its host.

    Args:
        wrap: Gives a client of the host for a user; None for the plain transport.
    """

    name = "direct"

    def __init__(self, wrap: Callable[[DirectHost, User], ChatTransport] | None = None) -> None:
        self._wrap = wrap or _plain

    @asynccontextmanager
    async def stage(self, handler: Handler, on_end: OnEnd) -> AsyncGenerator[MakeClient, None]:
        """Open an agent and give clients of one host."""
        async with Agent(handler, on_end=on_end) as agent:
            host = DirectHost(agent)
            yield lambda user_id: self._wrap(host, User(id=user_id))


def _plain(host: DirectHost, user: User) -> ChatTransport:
    return DirectChatTransport(host, user=user)
