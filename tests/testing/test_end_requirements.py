"""Each requirement about endings fails for a transport that does not keep it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import anyio
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.agent.run import Handler, Run, RunEnd, User
from chat_transport.agent.runtime import Agent, OnEnd
from chat_transport.chunks import Error, Finish, Start, TextEnd, UIMessageChunk
from chat_transport.errors import ChatTransportError, RemoteProtocolError
from chat_transport.inputs import SendMessages
from chat_transport.testing._registry import REGISTRY
from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import MakeClient, RequirementFailed
from chat_transport.testing.requirements import run_requirement
from chat_transport.transport import Capabilities, ChunkStream
from chat_transport.transports.direct import DirectChatTransport, DirectHost

pytestmark = pytest.mark.anyio


class Deaf(DirectChatTransport):
    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Do nothing."""


class StopsOnlyItsOwn(DirectChatTransport):
    sends = False

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        self.sends = True
        async with super().send_messages(request) as stream:
            yield stream

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        if self.sends:
            await super().stop(chat_id, run_id)


class StopNeedsARun(DirectChatTransport):
    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        if self._host.running(chat_id) is None:
            raise RemoteProtocolError("nothing to stop")


class StopsAll(DirectChatTransport):
    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        await super().stop(chat_id)


class LeaveIsStop(DirectChatTransport):
    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        async with super().send_messages(request) as stream:
            try:
                yield stream
            finally:
                await self.stop(request.chat_id)


class PromisesNoResume(DirectChatTransport):
    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, resumes=False)


class BrokenByCancellation(DirectChatTransport):
    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        async with super().send_messages(request) as stream:
            try:
                yield stream
            except BaseException:
                self._is_open = False
                raise


class NeverLeaves(DirectChatTransport):
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await anyio.sleep_forever()


class Believing(DirectChatTransport):
    """Takes nonsense for a request without a reply."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        if request.messages[-1].role != "system":
            async with super().send_messages(request) as stream:
                yield stream
            return
        log = ChunkLog()
        log.close()
        yield log.stream()


class OtherAgent(DirectHarness):
    """Its agent is set up otherwise."""

    def __init__(self, *, ends: int = 1, **settings: Any) -> None:
        super().__init__()
        self._ends = ends
        self._settings = settings

    @asynccontextmanager
    async def stage(self, handler: Handler, on_end: OnEnd) -> AsyncGenerator[MakeClient, None]:
        async def end(run_end: RunEnd) -> None:
            for _ in range(self._ends):
                await on_end(run_end)

        alter = self._settings.get("alter", lambda chunk: [chunk])

        async def altered(run: Run) -> AsyncIterator[UIMessageChunk]:
            async for chunk in handler(run):
                for said in alter(chunk):
                    yield said

        settings = {key: value for key, value in self._settings.items() if key != "alter"}
        async with Agent(
            altered if "alter" in self._settings else handler, on_end=end, **settings
        ) as agent:
            host = DirectHost(agent)
            yield lambda user_id: DirectChatTransport(host, user=User(id=user_id))


class Cut(ChunkStream):
    """Gives only chunks that `keeps`."""

    def __init__(self, inner: ChunkStream, drops: tuple[type[UIMessageChunk], ...]) -> None:
        self.inner = inner
        self.drops = drops

    async def __anext__(self) -> UIMessageChunk:
        while isinstance(chunk := await self.inner.__anext__(), self.drops):
            pass
        return chunk


def without(*drops: type[UIMessageChunk]) -> type[DirectChatTransport]:
    class Transport(DirectChatTransport):
        @asynccontextmanager
        async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
            async with super().send_messages(request) as stream:
                yield Cut(stream, drops)

    return Transport


def mute_errors(chunk: UIMessageChunk) -> list[UIMessageChunk]:
    return [Error(error_text="An error occurred.")] if isinstance(chunk, Error) else [chunk]


def drop_what_breaks(chunk: UIMessageChunk) -> list[UIMessageChunk]:
    return [Finish()] if getattr(chunk, "id", "") == "never-opened" else [chunk]


class OneReplyOnly(DirectChatTransport):
    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        async with super().send_messages(request) as stream:
            yield stream
        self._is_open = False


SABOTAGE: list[tuple[str, Any]] = [
    ("error-is-not-the-end", OneReplyOnly),
    ("stop-is-not-the-end", OneReplyOnly),
    ("stop-is-not-the-end", Deaf),
    ("finish-once", OtherAgent(ends=2)),
    ("finish-once", OtherAgent(ends=0)),
    ("stop-aborts", Deaf),
    ("stop-aborts", without(TextEnd)),
    ("stop-aborts", OtherAgent(ends=2)),
    ("stop-from-another-client", StopsOnlyItsOwn),
    ("stop-when-idle", StopNeedsARun),
    ("stop-one-of-two", StopsAll),
    ("leave-lets-it-run", LeaveIsStop),
    ("leave-ends-it", PromisesNoResume),
    ("leave-by-cancellation", BrokenByCancellation),
    ("leave-the-transport", NeverLeaves),
    ("error-is-masked", OtherAgent(error_text=str)),
    ("error-is-masked", OtherAgent(ends=2)),
    ("error-is-masked", without(Error)),
    ("error-before-words", without(Start)),
    ("error-said-by-the-agent", OtherAgent(alter=mute_errors)),
    ("truncation-is-closed", without(TextEnd)),
    ("broken-grammar-is-an-error", OtherAgent(alter=drop_what_breaks)),
    ("nonsense-is-refused", Believing),
]


@pytest.mark.parametrize(("requirement_id", "sabotaged"), SABOTAGE)
async def test_fails(requirement_id: str, sabotaged: Any) -> None:
    harness = sabotaged
    if isinstance(sabotaged, type):
        harness = DirectHarness(lambda host, user: sabotaged(host, user=user))
    with pytest.raises((RequirementFailed, TimeoutError, ChatTransportError)):
        await run_requirement(REGISTRY[requirement_id], harness, timeout_s=0.5)


def test_every_requirement_of_the_file_is_put_to_the_test() -> None:
    ours = {r.id for r in REGISTRY.values() if r.check.__module__.endswith("_end_requirements")}
    assert {requirement_id for requirement_id, _ in SABOTAGE} == ours
