"""How the kit reaches the Ably transport: the broker in the same loop, the real SDK at both ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from chat_transport.agent.run import Handler
from chat_transport.agent.runtime import Agent, OnEnd
from chat_transport.broker import serve_broker
from chat_transport.testing.harness import Harness, MakeClient
from chat_transport.transport import ChatTransport
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection, Invocation
from chat_transport.transports.ably.chat_session import ChatSession

KEY = "app.key:secret"


class AblyHarness(Harness):
    """Runs the kit over one wire of the Ably transport.

    Args:
        wire: Its name. `ai-transport` wakes its agent by invocations; with the others the agent is
            told beforehand which channel to serve, as they know no invocations.
    """

    def __init__(self, wire: str) -> None:
        self.name = self._wire = wire

    @asynccontextmanager
    async def stage(self, handler: Handler, on_end: OnEnd) -> AsyncGenerator[MakeClient, None]:
        async with serve_broker([KEY]) as broker, Agent(handler, on_end=on_end) as agent:

            def connection(client_id: str) -> AblyConnection:
                return AblyConnection(
                    key=KEY, client_id=client_id, endpoint=broker.address, tls=False
                )

            async with AblyAgent(
                agent, connection("agent"), channels=["*"], window_s=0.001, wire=self._wire
            ) as ably:

                async def invoke(invocation: Invocation) -> None:
                    await ably.invoke(invocation.to_json())

                class Listened(AblyChatTransport):
                    async def session(self, chat_id: str) -> ChatSession:
                        await ably.serve(chat_id)
                        return await super().session(chat_id)

                def make_client(user_id: str) -> ChatTransport:
                    if self._wire == "ai-transport":
                        return AblyChatTransport(connection(user_id), invoke=invoke)
                    return Listened(connection(user_id), wire=self._wire)

                yield make_client


@pytest.fixture
def ably_harness() -> Callable[[str], Harness]:
    """Gives the harness of a wire by its name."""
    return AblyHarness
