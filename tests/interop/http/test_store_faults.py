"""What may happen to Redis and to the way there, with real processes: nothing acknowledged is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from servers import RedisServer

from chat_transport.chunks import Abort, Finish, TextDelta, UIMessageChunk
from chat_transport.errors import RequestRejected
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.client import HttpChatTransport

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Wire:
    """A TCP wire to a server, that can be cut: bytes then wait, or connections break."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._is_closed = False
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def cut(self, *, breaks: bool) -> None:
        self._whole.clear()
        if breaks:
            self._break()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._is_closed = True
        self.mend()
        with_no_error(self._listener.shutdown, socket.SHUT_RDWR)
        while self._threads:
            self._break()
            self._threads[-1].join(0.1)
            if not self._threads[-1].is_alive():
                self._threads.pop()
        self._listener.close()

    def _break(self) -> None:
        for end in list(self._ends):
            with_no_error(end.shutdown, socket.SHUT_RDWR)

    def _start(self, target: Any, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._connect, here)

    def _connect(self, here: socket.socket) -> None:
        with here:
            self._whole.wait()
            try:
                there = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                return
            with there:
                self._ends += [here, there]
                back = self._start(self._pass, there, here)
                self._pass(here, there)
                back.join()
                self._ends.remove(here)
                self._ends.remove(there)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._whole.wait()
                sink.sendall(data)
        except OSError:
            pass
        with_no_error(sink.shutdown, socket.SHUT_RDWR)
        with_no_error(source.shutdown, socket.SHUT_RDWR)


def with_no_error(call: Any, *arguments: object) -> None:
    try:
        call(*arguments)
    except OSError:
        return  # the other end was faster


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()


def ask(count: int, message_id: str = "u1") -> SendMessages:
    return SendMessages(chat_id="c", messages=[UIMessage.user(str(count), id=message_id)])


def said(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


def counted(count: int) -> str:
    return "".join(f"{number} " for number in range(count))


async def until_text(stream: Any) -> list[UIMessageChunk]:
    chunks: list[UIMessageChunk] = []
    while not said(chunks):
        chunks.append(await stream.__anext__())
    return chunks


async def rest(stream: Any) -> list[UIMessageChunk]:
    return [chunk async for chunk in stream]


async def test_a_redis_that_is_paused_for_longer_than_signs_of_life_count_costs_time_alone(
    start, redis_server: RedisServer
):
    """Everybody's sign of life has run out when it hears again; nobody is declared dead for it."""
    (one, _), (two, _) = start(), start()
    with anyio.fail_after(40):
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(600)) as reply:
                mine = await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    theirs = await until_text(again)
                    redis_server.pause()
                    try:
                        paused_at = anyio.current_time()
                        while anyio.current_time() - paused_at < 5:
                            mine.append(await reply.__anext__())  # tokens do not wait for Redis
                    finally:
                        redis_server.go_on()
                    theirs += await rest(again)
                mine += await rest(reply)
            history = await there.load_history("c")
    assert said(mine) == said(theirs) == history.messages[-1].text == counted(600)
    assert isinstance(theirs[-1], Finish)
    assert theirs[-1].finish_reason != "interrupted"


async def test_while_redis_is_paused_new_prompts_are_refused_with_words(
    start, redis_server: RedisServer
):
    (one, _) = start()
    with anyio.fail_after(40):
        async with HttpChatTransport(one) as here:
            async with here.send_messages(ask(3)) as reply:
                assert said(await rest(reply)) == counted(3)
            redis_server.pause()
            try:
                with pytest.raises(RequestRejected, match="unable to reach the run log") as caught:
                    async with here.send_messages(ask(3, "u2")) as reply:
                        await rest(reply)
            finally:
                redis_server.go_on()
            assert caught.value.status == 503
            async with here.send_messages(ask(4, "u3")) as reply:
                assert said(await rest(reply)) == counted(4)


@pytest.mark.parametrize("breaks", [False, True])
async def test_a_short_cut_between_the_writer_and_redis_costs_nothing(
    start,
    redis_server: RedisServer,
    breaks: bool,  # noqa: FBT001
):
    with wire_to(redis_server.port) as wire, anyio.fail_after(40):
        far = {"REDIS": f"redis://127.0.0.1:{wire.port}/0", "DEAD_AFTER_S": "6"}
        (one, _), (two, _) = start(**far), start(DEAD_AFTER_S="6")
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(300)) as reply:
                mine = await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    theirs = await until_text(again)
                    wire.cut(breaks=breaks)
                    while len(mine) < 150:
                        mine.append(await reply.__anext__())
                    wire.mend()
                    theirs += await rest(again)
                mine += await rest(reply)
            history = await there.load_history("c")
    assert said(mine) == said(theirs) == history.messages[-1].text == counted(300)


async def test_a_long_cut_interrupts_the_run_and_its_writer_stops(start, redis_server: RedisServer):
    """To the others the writer is dead; when it is back it hears so, and pays for no more tokens."""
    with wire_to(redis_server.port) as wire, anyio.fail_after(50):
        far = f"redis://127.0.0.1:{wire.port}/0"
        (one, _), (two, _) = start(REDIS=far), start()
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(100_000)) as reply:
                mine = await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    theirs = await until_text(again)
                    wire.cut(breaks=True)
                    theirs += await rest(again)
                assert (await there.load_history("c")).active_run_id is None
                wire.mend()
                mine += await rest(reply)
            history = await there.load_history("c")
    assert theirs[-1] == Finish(finish_reason="interrupted")
    assert isinstance(mine[-1], Abort)
    assert said(mine).startswith(said(theirs))
    assert history.messages[-1].text == said(mine)


async def test_clocks_that_differ_decide_nothing(start, redis_server: RedisServer, faketime: str):
    """One server process is two hours ahead of Redis and of the other; Redis comes back empty."""
    ahead = [faketime, "-m", "-f", "+2h"]
    (one, _), (two, _) = start(*ahead, FAKETIME_DONT_FAKE_MONOTONIC="1"), start()
    with anyio.fail_after(40):
        async with HttpChatTransport(one) as here, HttpChatTransport(two) as there:
            async with here.send_messages(ask(250)) as reply:
                await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    theirs = await until_text(again)
                    redis_server.kill()
                    redis_server.start()
                    theirs += await rest(again)
                    assert isinstance((await rest(reply))[-1], Finish)
            async with here.send_messages(ask(100_000, "u2")) as reply:
                await until_text(reply)
                await there.stop("c")
                assert isinstance((await rest(reply))[-1], Abort)
    assert said(theirs) == counted(250)


async def test_a_redis_that_stays_away_ends_followers_as_resumable(
    start, redis_server: RedisServer
):
    (one, _), (two, _) = start(), start()
    with anyio.fail_after(40):
        async with HttpChatTransport(one) as here, HttpChatTransport(two, reconnect=None) as there:
            async with here.send_messages(ask(900)) as reply:
                mine = await until_text(reply)
                async with there.reconnect_to_stream(Reconnect(chat_id="c")) as again:
                    assert again is not None
                    theirs = await until_text(again)
                    redis_server.kill()
                    theirs += await rest(again)
                mine += await rest(reply)
            redis_server.start()
            history = await there.load_history("c")
    assert theirs[-1] == Finish(finish_reason="interrupted")
    assert said(mine) == history.messages[-1].text == counted(900)
