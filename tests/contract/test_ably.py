"""The Ably transport, over the broker with the real SDK, keeps every requirement."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from chat_transport.agent.run import Handler
from chat_transport.agent.runtime import Agent, OnEnd
from chat_transport.broker import serve_broker
from chat_transport.testing.harness import Harness, MakeClient
from chat_transport.testing.requirements import Requirement, requirements, run_requirement
from chat_transport.transport import ChatTransport
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection, Invocation

pytestmark = pytest.mark.anyio

KEY = "app.key:secret"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class AblyHarness(Harness):
    name = "ably"

    @asynccontextmanager
    async def stage(self, handler: Handler, on_end: OnEnd) -> AsyncGenerator[MakeClient, None]:
        async with serve_broker([KEY]) as broker, Agent(handler, on_end=on_end) as agent:

            def connection(client_id: str) -> AblyConnection:
                return AblyConnection(
                    key=KEY, client_id=client_id, endpoint=broker.address, tls=False
                )

            async with AblyAgent(
                agent, connection("agent"), channels=["*"], window_s=0.001
            ) as ably:

                async def invoke(invocation: Invocation) -> None:
                    await ably.invoke(invocation.to_json())

                def make_client(user_id: str) -> ChatTransport:
                    return AblyChatTransport(connection(user_id), invoke=invoke)

                yield make_client


@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(requirement: Requirement) -> None:
    verdict = await run_requirement(requirement, AblyHarness())
    assert verdict.outcome == ("not promised" if requirement.id in NOT_PROMISED else "kept")


NOT_PROMISED = {"leave-ends-it"}
