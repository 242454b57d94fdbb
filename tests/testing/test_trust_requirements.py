"""Each requirement about trust fails for a transport that does not keep it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, get_args

import pytest

from chat_transport.errors import ChatTransportError, NotSupported
from chat_transport.inputs import SendMessages
from chat_transport.testing._registry import REGISTRY
from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import RequirementFailed
from chat_transport.testing.requirements import run_requirement
from chat_transport.transport import Ask, Capabilities, ChunkStream
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio


class Gullible(DirectChatTransport):
    """Takes the client's word for everything."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        past = (
            request.messages if request.messages[-1].role == "assistant" else request.messages[:-1]
        )
        async with super().send_messages(request) as stream:
            run = self._host.running(request.chat_id)
            assert run is not None
            object.__setattr__(run.run, "messages", (*past, *request.messages[len(past) :]))
            yield stream


class Forgetful(DirectChatTransport):
    """Loses what a client adds to the agent's message."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        if request.messages[-1].role == "assistant":
            stored = self._host.messages(request.chat_id)
            request = replace(request, messages=stored)
        async with super().send_messages(request) as stream:
            yield stream


class Boastful(DirectChatTransport):
    """Says that it refuses what it does."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, refuses=frozenset(get_args(Ask)))


class Deaf(Boastful):
    """Refuses all of it, and asks the agent all the same."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        async with super().send_messages(request) as stream:
            if not self._host.messages(request.chat_id):
                yield stream
                return
        raise NotSupported("no word for it")


SABOTAGE: list[tuple[str, Any]] = [
    ("refusal-goes-round", Forgetful),
    ("approval-goes-round", Forgetful),
    ("client-tool-goes-round", Forgetful),
    ("forged-input", Gullible),
    ("forged-approval", Gullible),
    ("forged-past", Gullible),
    ("refuses-what-it-says", Boastful),
    ("refuses-what-it-says", Deaf),
    ("waits-for-no-refused-output", Boastful),
    ("waits-for-no-refused-approval", Boastful),
]


@pytest.mark.parametrize(("requirement_id", "sabotaged"), SABOTAGE)
async def test_fails(requirement_id: str, sabotaged: Any) -> None:
    harness = sabotaged
    if isinstance(sabotaged, type):
        harness = DirectHarness(lambda host, user: sabotaged(host, user=user))
    with pytest.raises((RequirementFailed, TimeoutError, ChatTransportError)):
        await run_requirement(REGISTRY[requirement_id], harness, timeout_s=0.5)


def test_every_requirement_of_the_file_is_put_to_the_test() -> None:
    ours = {r.id for r in REGISTRY.values() if r.check.__module__.endswith("_trust_requirements")}
    assert {requirement_id for requirement_id, _ in SABOTAGE} == ours
