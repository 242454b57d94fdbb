"""Each requirement about the chat fails for a transport that does not keep it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from chat_transport.errors import ChatTransportError
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.testing._registry import REGISTRY
from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import RequirementFailed
from chat_transport.testing.requirements import run_requirement
from chat_transport.transport import (
    AgentPresence,
    AgentStatus,
    Capabilities,
    ChatChange,
    ChunkStream,
    History,
)
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio


def remembering(alter: Any) -> type[DirectChatTransport]:
    """Gives what `alter` makes of each page of history."""

    class Transport(DirectChatTransport):
        async def load_history(
            self, chat_id: str, *, limit: int = 100, before: str | None = None
        ) -> History:
            return alter(await super().load_history(chat_id, limit=limit, before=before))

    return Transport


ECHO = UIMessage.user("?", id="?")
ROLES_SWAPPED = remembering(lambda page: replace(page, messages=page.messages[:1]))
GHOST = remembering(lambda page: replace(page, messages=(ECHO, *page.messages)))
OVERLAPPING = remembering(
    lambda page: replace(page, cursor=page.messages[-1].id if page.has_older else None)
)
SILENT = remembering(lambda page: replace(page, active_run_id=None))
ONLY_PROMPTS = remembering(
    lambda page: replace(page, messages=[item for item in page.messages if item.role == "user"])
)


def catching_up(alter: Any) -> type[DirectChatTransport]:
    """Gives what `alter` makes of the own copy before it is joined."""

    class Transport(DirectChatTransport):
        async def catch_up(self, chat_id: str, messages: Sequence[UIMessage]) -> History:
            return alter(messages, await super().catch_up(chat_id, messages))

    return Transport


REPEATS = catching_up(lambda own, found: replace(found, messages=[*own, *found.messages]))
KEEPS_ALL = catching_up(
    lambda own, found: replace(
        found, messages=[*own, *(m for m in found.messages if m.id not in {o.id for o in own})]
    )
)


def sending(alter: Any) -> type[DirectChatTransport]:
    class Transport(DirectChatTransport):
        @asynccontextmanager
        async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
            alter(self, request)
            async with super().send_messages(request) as stream:
                yield stream

    return Transport


FORGETFUL = sending(lambda transport, request: transport._host.forget(request.chat_id))
JEALOUS = sending(lambda transport, request: transport._host.agent.stop(request.chat_id))


class AppendsAgain(DirectChatTransport):
    """Takes a wish for another answer for a new prompt."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        if request.trigger == "regenerate-message":
            again = (*self._host.messages(request.chat_id), UIMessage.user("again", id="x"))
            request = SendMessages(chat_id=request.chat_id, messages=again)
        async with super().send_messages(request) as stream:
            yield stream


class Blind(DirectChatTransport):
    @asynccontextmanager
    async def _observe(self, chat_id: str) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        async with super()._observe("another"):
            async with super()._observe("a-third") as changes:
                yield changes


class Narcissus(DirectChatTransport):
    @asynccontextmanager
    async def _observe(self, chat_id: str) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        watch = self._host.watch(chat_id, origin=object())
        try:
            yield watch
        finally:
            watch.close()


def present(status: AgentStatus) -> type[DirectChatTransport]:
    class Transport(DirectChatTransport):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, presence=True)

        @asynccontextmanager
        async def agent_presence(
            self, chat_id: str
        ) -> AsyncGenerator[AsyncIterator[AgentPresence], None]:
            class States(AsyncIterator[AgentPresence]):
                async def __anext__(self) -> AgentPresence:
                    return AgentPresence(status=status)

            yield States()

    return Transport


class NeverEdits(DirectChatTransport):
    """Takes a changed prompt for a new one."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        renamed = UIMessage.user(
            request.messages[-1].text, id=f"{len(self._host.messages(request.chat_id))}"
        )
        async with super().send_messages(
            SendMessages(chat_id=request.chat_id, messages=[renamed])
        ) as stream:
            yield stream


SABOTAGE: list[tuple[str, Any]] = [
    ("edit-cuts-the-past", NeverEdits),
    ("history-after-a-reply", ROLES_SWAPPED),
    ("history-after-a-reply", GHOST),
    ("history-of-a-new-chat", GHOST),
    ("history-in-pages", OVERLAPPING),
    ("history-in-pages", ROLES_SWAPPED),
    ("catch-up", REPEATS),
    ("catch-up-after-another-answer", KEEPS_ALL),
    ("history-names-the-active-run", SILENT),
    ("history-keeps-a-stopped-reply", ONLY_PROMPTS),
    ("handler-sees-the-past", FORGETFUL),
    ("regenerate", AppendsAgain),
    ("runs-at-once", JEALOUS),
    ("observe-others", Blind),
    ("observe-not-oneself", Narcissus),
    ("presence-first", present("streaming")),
]


async def test_presence_is_kept_where_it_is_promised() -> None:
    harness = DirectHarness(lambda host, user: present("idle")(host, user=user))
    verdict = await run_requirement(REGISTRY["presence-first"], harness)
    assert verdict.outcome == "kept"


@pytest.mark.parametrize(("requirement_id", "sabotaged"), SABOTAGE)
async def test_fails(requirement_id: str, sabotaged: Any) -> None:
    harness = sabotaged
    if isinstance(sabotaged, type):
        harness = DirectHarness(lambda host, user: sabotaged(host, user=user))
    with pytest.raises((RequirementFailed, TimeoutError, ChatTransportError)):
        await run_requirement(REGISTRY[requirement_id], harness, timeout_s=0.5)


def test_every_requirement_of_the_file_is_put_to_the_test() -> None:
    ours = {r.id for r in REGISTRY.values() if r.check.__module__.endswith("_chat_requirements")}
    assert {requirement_id for requirement_id, _ in SABOTAGE} == ours
