"""Two uvicorn processes and a Redis server: a run of one is resumed and stopped through the other."""

from __future__ import annotations

import signal
from typing import Any

import anyio
import pytest
from servers import RedisServer

from chat_transport.chunks import Abort, Finish, Start, TextDelta, UIMessageChunk
from chat_transport.errors import ConnectFailed, StreamInterrupted
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.reply_reader import ReconnectPolicy

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def ask(count: int, message_id: str = "u1") -> SendMessages:
    return SendMessages(chat_id="c", messages=[UIMessage.user(str(count), id=message_id)])


def said(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


async def until_text(stream: Any) -> list[UIMessageChunk]:
    chunks: list[UIMessageChunk] = []
    while not said(chunks):
        chunks.append(await stream.__anext__())
    return chunks


async def test_a_run_of_one_process_is_resumed_and_kept_through_the_other(start):
    (one, _), (two, _) = start(), start()
    with anyio.fail_after(30):
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(40)) as reply:
                await until_text(reply)
                history = await there.load_history("c")
                assert history.active_run_id == reply.run_id
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    chunks = [chunk async for chunk in again]
                async for _ in reply:
                    pass
            history = await there.load_history("c")
    text = "".join(f"{n} " for n in range(40))
    assert isinstance(chunks[0], Start)
    assert said(chunks) == text
    assert isinstance(chunks[-1], Finish)
    assert [m.text for m in history.messages] == ["40", text]


async def test_a_run_of_one_process_is_stopped_through_the_other(start):
    (one, _), (two, _) = start(), start()
    with anyio.fail_after(30):
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(100_000)) as reply:
                await until_text(reply)
                await there.stop("c")
                chunks = [chunk async for chunk in reply]
    assert isinstance(chunks[-1], Abort)


async def test_a_process_that_is_killed_leaves_an_interrupted_run(start):
    (one, victim), (two, _) = start(), start()
    off = ReconnectPolicy(attempts=2, first_s=0.05)
    with anyio.fail_after(30):
        async with HttpChatTransport(one, reconnect=off) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(100_000)) as reply:
                await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    first = await until_text(again)
                    victim.send_signal(signal.SIGKILL)
                    started = anyio.current_time()
                    rest = [chunk async for chunk in again]
                    waited = anyio.current_time() - started
                with pytest.raises((StreamInterrupted, ConnectFailed)):
                    async for _ in reply:
                        pass
            async with there.reconnect_to_stream(Reconnect(chat_id="c")) as idle:
                assert idle is None
            history = await there.load_history("c")
            async with there.send_messages(ask(3, "u2")) as following:
                chunks = [chunk async for chunk in following]
    assert rest[-1] == Finish(finish_reason="interrupted")
    assert waited < 15  # dead_after_s is 3
    assert history.active_run_id is None
    assert history.messages[-1].role == "assistant"
    assert history.messages[-1].text.startswith(said(first))
    assert said(chunks) == "0 1 2 "


async def test_redis_that_restarts_in_mid_reply_loses_nothing(start, redis_server: RedisServer):
    (one, _), (two, _) = start(), start()
    with anyio.fail_after(30):
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(150)) as reply:
                await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    first = await until_text(again)
                    redis_server.kill()
                    redis_server.start()
                    rest = [chunk async for chunk in again]
                mine = [chunk async for chunk in reply]
    text = "".join(f"{n} " for n in range(150))
    assert said([*first, *rest]) == text
    assert isinstance(rest[-1], Finish)
    assert rest[-1].finish_reason != "interrupted"
    assert isinstance(mine[-1], Finish)
