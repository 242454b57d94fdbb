"""The debug transport shows what passes, and no secrets."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import count

import anyio
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.agent.run import Run
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import Finish, TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.codecs.ui_stream import encode_chunk
from chat_transport.errors import NotSupported, StreamInterrupted
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transport import AgentPresence, ChunkStream
from chat_transport.transports.debug import DebugChatTransport, Passed
from chat_transport.transports.direct import DirectChatTransport, DirectHost

pytestmark = pytest.mark.anyio
WISH = SendMessages(
    chat_id="chat",
    messages=[UIMessage.user("private words", id="u1")],
    headers={"authorization": "Bearer secret"},
    body={"api_key": "secret"},
)


async def echo(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    yield TextDelta(id="t", delta="private reply")
    yield TextEnd(id="t")


async def shown(*, shows_text: bool = False, drains: bool = False) -> list[Passed]:
    seen: list[Passed] = []
    clock = count()
    with anyio.fail_after(5):
        async with Agent(echo) as agent:
            inner = DirectChatTransport(agent)
            async with DebugChatTransport(
                inner, show=seen.append, shows_text=shows_text, clock=lambda: next(clock) / 1000
            ) as transport:
                await read(transport, drains=drains)
    return seen


@pytest.mark.parametrize("drains", [False, True])
async def test_each_chunk_is_shown_with_time_and_size(*, drains: bool) -> None:
    seen = await shown(drains=drains)
    assert [(item.direction, item.name) for item in seen] == [
        (">", "send_messages"),
        ("<", "start"),
        ("<", "text-start"),
        ("<", "text-delta"),
        ("<", "text-end"),
        ("<", "finish"),
        ("<", "end of stream"),
        (">", "left send_messages"),
    ]
    delta = seen[3]
    assert delta.size_bytes == len(encode_chunk(TextDelta(id="t", delta="private reply")))
    assert delta.detail == "t"
    assert [item.elapsed_s for item in seen] == sorted(item.elapsed_s for item in seen)
    assert seen[0].detail == (
        "submit-message messages=1 headers=['authorization'] body=['api_key']"
    )


async def test_no_secret_and_no_word_is_shown_unless_asked_for() -> None:
    lines = "\n".join(map(str, await shown()))
    assert "secret" not in lines
    assert "private" not in lines
    asked = "\n".join(map(str, await shown(shows_text=True)))
    assert "private reply" in asked
    assert "secret" not in asked


async def test_lines_go_to_the_log_by_default(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "chat_transport.debug"):
        async with (
            Agent(echo) as agent,
            DebugChatTransport(DirectChatTransport(agent)) as transport,
        ):
            await transport.stop("chat", "r1")
            async with transport.reconnect_to_stream(Reconnect(chat_id="chat")) as stream:
                assert stream is None
            await transport.load_history("chat")
            caught = await transport.catch_up("chat", [UIMessage.user("own", id="u0")])
    lines = [record.getMessage() for record in caplog.records]
    assert any("chat > stop" in line and line.endswith("run=r1") for line in lines)
    assert any(line.endswith("< no active run") for line in lines)
    assert any("history" in line and "messages=0 older=False" in line for line in lines)
    assert [message.id for message in caught.messages] == ["u0"]
    assert any("chat > catch_up" in line and line.endswith("messages=1") for line in lines)


async def test_observed_changes_are_shown() -> None:
    seen: list[Passed] = []
    with anyio.fail_after(5):
        async with Agent(echo) as agent:
            host = DirectHost(agent)
            async with (
                DirectChatTransport(host) as client,
                DebugChatTransport(DirectChatTransport(host), show=seen.append) as watcher,
                watcher.observe("chat") as changes,
            ):
                async with client.send_messages(WISH) as stream:
                    await anext(changes)
                    await anext(changes)
                    run_id = stream.run_id
    names = [(item.name, item.detail) for item in seen]
    assert names == [
        ("observe", ""),
        ("MessageSeen", ""),
        ("RunSeen", run_id),
        ("left observe", ""),
    ]


class Broken(DirectChatTransport):
    """Its streams break, its agent is watched."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        log = ChunkLog()
        log.append(Finish())
        log.close(StreamInterrupted("the wire broke"))
        yield log.stream()

    @asynccontextmanager
    async def agent_presence(
        self, chat_id: str
    ) -> AsyncGenerator[AsyncIterator[AgentPresence], None]:
        async def states() -> AsyncGenerator[AgentPresence, None]:
            yield AgentPresence(status="idle")

        async with aclosing(states()) as given:
            yield given


async def read(transport: DebugChatTransport, *, drains: bool) -> None:
    async with transport.send_messages(WISH) as stream:
        if drains:
            while await stream.drain():
                pass
        else:
            async for _chunk in stream:
                pass


async def test_errors_are_shown_and_passed_on() -> None:
    seen: list[Passed] = []
    async with DebugChatTransport(Broken(Agent(echo)), show=seen.append) as transport:
        for drains in (False, True):
            with pytest.raises(StreamInterrupted):
                await read(transport, drains=drains)
    errors = [item for item in seen if item.direction == "!"]
    assert [(item.name, item.detail) for item in errors] == [
        ("StreamInterrupted", "the wire broke")
    ] * 4


async def test_presence_is_shown_or_refused_as_the_inner_transport_does() -> None:
    seen: list[Passed] = []
    async with DebugChatTransport(Broken(Agent(echo)), show=seen.append) as transport:
        async with transport.agent_presence("chat") as states:
            assert (await anext(states)).status == "idle"
    assert ("presence", "idle") in [(item.name, item.detail) for item in seen]
    plain = DebugChatTransport(DirectChatTransport(Agent(echo)), show=seen.append)
    assert plain.capabilities == DirectChatTransport(Agent(echo)).capabilities
    async with plain:
        with pytest.raises(NotSupported):
            async with plain.agent_presence("chat"):
                pass
