"""How the kit reaches the Ably transport, where its results go, and servers for stores.

Ably: the broker in the same loop, the real SDK at both ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import servers

from chat_transport.agent.run import Handler
from chat_transport.agent.runtime import Agent, OnEnd
from chat_transport.broker import RunningBroker, serve_broker
from chat_transport.testing.harness import Harness, MakeClient
from chat_transport.testing.requirements import Requirement, Verdict
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


@pytest.fixture
async def broker(anyio_backend: str) -> AsyncIterator[RunningBroker]:
    """A fresh broker; for tests on asyncio alone."""
    async with serve_broker([KEY]) as running:
        yield running


@pytest.fixture
def connect_to() -> Callable[..., AblyConnection]:
    """Makes connections to a broker, not opened."""

    def make(broker: RunningBroker, client_id: str, **settings: Any) -> AblyConnection:
        return AblyConnection(
            key=KEY, client_id=client_id, endpoint=broker.address, tls=False, **settings
        )

    return make


@pytest.fixture
def connect(broker: RunningBroker, connect_to: Any) -> Callable[[str], AblyConnection]:
    """Makes connections to the test's broker, not opened."""
    return lambda client_id: connect_to(broker, client_id)


RESULTS = os.environ.get("CHAT_TRANSPORT_KIT_RESULTS")
PAGE = Path(__file__).resolve().parents[2] / "docs/reference/requirements.md"


@pytest.fixture(scope="session")
def committed() -> Mapping[tuple[str, str], str]:
    """What the page says of each transport and requirement."""
    table = PAGE.read_text("utf-8").partition("## What the kit found")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    return {
        (name, row[0].strip("`")): "kept" if row[place] == "kept" else "not promised"
        for row in rows[2:]
        for place, name in enumerate(rows[0][1:], 1)
    }


@pytest.fixture
def settle(committed: Mapping[tuple[str, str], str]) -> Callable[[str, Requirement, Verdict], None]:
    """Compares a verdict with the page; or notes it for tests/docs/kit_page.py, which writes that."""

    def note(transport: str, requirement: Requirement, verdict: Verdict) -> None:
        if RESULTS is None:
            assert verdict.outcome == committed.get((transport, requirement.id)), (
                f"{transport} {requirement.id}: run `python tests/docs/kit_page.py`"
            )
            return
        assert verdict.outcome in {"kept", "not promised"}
        with Path(RESULTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps([transport, requirement.id, verdict.outcome]) + "\n")

    return note


@pytest.fixture(scope="module")
def redis_url(redis_program: str) -> Iterator[str]:
    server = servers.RedisServer(redis_program)
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def redis_cluster(redis_program: str) -> Iterator[Any]:
    """Three servers."""
    cluster = servers.RedisCluster(redis_program)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()
