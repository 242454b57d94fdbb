"""Each requirement of the stream fails for a transport that does not keep it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import (
    DataChunk,
    Finish,
    MessageMetadata,
    TextDelta,
    UIMessageChunk,
    is_terminal,
)
from chat_transport.errors import ChatTransportError
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.testing._registry import REGISTRY
from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import RequirementFailed
from chat_transport.testing.requirements import run_requirement
from chat_transport.transport import ChunkStream
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio
Alter = Callable[[Sequence[UIMessageChunk]], Iterable[UIMessageChunk]]


class Altered(ChunkStream):
    """Gives what `alter` makes of each page."""

    def __init__(self, inner: ChunkStream, alter: Alter) -> None:
        self.inner = inner
        self.alter = alter
        self.ready: list[UIMessageChunk] = []

    async def __anext__(self) -> UIMessageChunk:
        while not self.ready:
            page = await self.inner.drain()
            if not page:
                raise StopAsyncIteration
            self.ready = list(self.alter(page))
        return self.ready.pop(0)


def altering(alter: Alter) -> type[DirectChatTransport]:
    class Transport(DirectChatTransport):
        @asynccontextmanager
        async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
            async with super().send_messages(request) as stream:
                yield Altered(stream, alter)

    return Transport


class NeverClosed(DirectChatTransport):
    """Cares neither for opening nor for closing."""

    def _check_open(self, what: str) -> None:
        pass


class ForgetsToClose(DirectChatTransport):
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


class Late(DirectChatTransport):
    """Gives nothing before all is said."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        async with super().send_messages(request) as stream:

            class Waiting(ChunkStream):
                log: ChunkStream | None = None

                async def __anext__(self) -> UIMessageChunk:
                    if self.log is None:
                        log = ChunkLog()
                        log.extend([chunk async for chunk in stream])
                        log.close()
                        self.log = log.stream()
                    return await self.log.__anext__()

            yield Waiting()


def changing(**changes: Any) -> type[DirectChatTransport]:
    """Asks for something else than it was asked."""

    class Transport(DirectChatTransport):
        @asynccontextmanager
        async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
            async with super().send_messages(replace(request, **changes)) as stream:
                yield stream

    return Transport


class LosesOnDrain(DirectChatTransport):
    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        async with super().send_messages(request) as stream:

            class Losing(Altered):
                async def drain(self) -> Sequence[UIMessageChunk]:
                    return (await self.inner.drain())[:3]

            yield Losing(stream, lambda page: page)


def without(*kinds: type[UIMessageChunk]) -> type[DirectChatTransport]:
    return altering(lambda page: [chunk for chunk in page if not isinstance(chunk, kinds)])


class TextOnly(DirectChatTransport):
    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        words = [UIMessage.user(message.text, id=message.id) for message in request.messages]
        async with super().send_messages(replace(request, messages=words)) as stream:
            yield stream


SABOTAGE: list[tuple[str, type[DirectChatTransport]]] = [
    ("prompt-parts-arrive", TextOnly),
    ("open-before-use", NeverClosed),
    ("open-before-use", ForgetsToClose),
    ("stream-is-a-reply", altering(lambda page: [c for c in page if not is_terminal(c)])),
    ("stream-is-a-reply", altering(lambda page: [c for c in page if c.type != "start"])),
    ("stream-is-live", Late),
    ("stream-loses-nothing", altering(lambda page: page[:-1] if len(page) > 100 else page)),
    ("stream-carries-every-part", without(DataChunk)),
    ("handler-sees-the-request", changing(trigger="regenerate-message")),
    ("handler-sees-the-request", changing(chat_id="another")),
    ("drain-is-the-same", LosesOnDrain),
    ("metadata-arrives", without(MessageMetadata)),
    ("metadata-arrives", altering(lambda page: [page[0], *page])),
    ("chats-are-apart", changing(chat_id="the-only-chat")),
    (
        "stream-is-a-reply",
        altering(
            lambda page: [
                TextDelta(id="t", delta="HELLO") if isinstance(c, TextDelta) else c for c in page
            ]
        ),
    ),
    ("stream-is-a-reply", altering(lambda page: [Finish() if is_terminal(c) else c for c in page])),
]


@pytest.mark.parametrize(("requirement_id", "transport"), SABOTAGE)
async def test_fails(requirement_id: str, transport: type[DirectChatTransport]) -> None:
    harness = DirectHarness(lambda host, user: transport(host, user=user))
    with pytest.raises((RequirementFailed, TimeoutError, ChatTransportError)):
        await run_requirement(REGISTRY[requirement_id], harness, timeout_s=0.5)


def test_every_requirement_of_the_file_is_put_to_the_test() -> None:
    ours = {r.id for r in REGISTRY.values() if r.check.__module__.endswith("_stream_requirements")}
    assert {requirement_id for requirement_id, _ in SABOTAGE} == ours
