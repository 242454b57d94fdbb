"""The direct transport, bare and under the debug transport, keeps every requirement."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from chat_transport.agent.run import Handler, User
from chat_transport.agent.runtime import Agent, OnEnd
from chat_transport.testing.harness import Harness, MakeClient
from chat_transport.testing.requirements import Requirement, requirements, run_requirement
from chat_transport.transport import ChatTransport
from chat_transport.transports.debug import DebugChatTransport
from chat_transport.transports.direct import DirectChatTransport, DirectHost

pytestmark = pytest.mark.anyio


class DirectHarness(Harness):
    name = "direct"

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown

    @asynccontextmanager
    async def stage(self, handler: Handler, on_end: OnEnd) -> AsyncGenerator[MakeClient, None]:
        async with Agent(handler, on_end=on_end) as agent:
            host = DirectHost(agent)

            def make_client(user_id: str) -> ChatTransport:
                client = DirectChatTransport(host, user=User(id=user_id))
                return DebugChatTransport(client) if self._is_shown else client

            yield make_client


@pytest.mark.parametrize("is_shown", [False, True], ids=["direct", "debug"])
@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(requirement: Requirement, *, is_shown: bool) -> None:
    verdict = await run_requirement(requirement, DirectHarness(is_shown=is_shown))
    lacking = {"presence-first", "leave-ends-it"}
    assert verdict.outcome == ("not promised" if requirement.id in lacking else "kept")
