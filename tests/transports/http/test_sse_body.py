from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import Error, Finish, Start, TextDelta, TextEnd, TextStart
from chat_transport.codecs.client_profiles import V5
from chat_transport.codecs.ui_stream import UIStreamDecoder, encode_sse
from chat_transport.errors import StreamInterrupted
from chat_transport.transports.http.gather_clock import GatherClock
from chat_transport.transports.http.keep_alive import KeepAlive
from chat_transport.transports.http.reply_place import ReplyPlace
from chat_transport.transports.http.sse_body import SseBody, SseFormat

pytestmark = pytest.mark.anyio
OPEN = b": stream-open\n\n"
OFF = KeepAlive(None)
DONE = b"data: [DONE]\n\n"
REPLY = [
    Start(message_id="a"),
    TextStart(id="t"),
    TextDelta(id="t", delta="one "),
    TextDelta(id="t", delta="two"),
    TextEnd(id="t"),
    Finish(finish_reason="stop"),
]


class Client:
    """An ASGI server's side of one exchange."""

    def __init__(self) -> None:
        self.head: dict[str, object] = {}
        self.pieces: list[bytes] = []
        self.left = anyio.Event()
        self.on_body: Callable[[bytes], None] = lambda _body: None
        self.fails = False

    async def receive(self) -> dict[str, object]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            self.head = message
            return
        if self.fails:
            raise OSError("gone")
        body = message["body"]
        assert isinstance(body, bytes)
        self.pieces.append(body)
        self.on_body(body)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


async def nothing() -> None:
    return


def form(**changes: object) -> SseFormat:
    given = {
        "encode": encode_sse,
        "interrupted": Error(error_text="interrupted"),
        "on_interrupted": nothing,
        **changes,
    }
    return SseFormat(**given)  # type: ignore[arg-type]


async def serve(body: SseBody, client: Client) -> bool:
    with anyio.fail_after(5):
        return await body.serve({"x": "y"}, client.receive, client.send)  # type: ignore[arg-type]


def whole() -> ChunkLog:
    log = ChunkLog("r")
    log.extend(REPLY)
    log.close()
    return log


async def test_what_is_ready_goes_out_together():
    client = Client()
    assert await serve(SseBody(whole(), form(), OFF, place=ReplyPlace()), client)
    assert client.pieces == [OPEN, b"".join(map(encode_sse, REPLY)), DONE]
    assert client.head["headers"] == [(b"x", b"y")]


async def test_a_late_reader_gets_deltas_joined():
    client = Client()
    await serve(SseBody(whole(), form(), OFF), client)
    joined = [*REPLY[:2], TextDelta(id="t", delta="one two"), *REPLY[4:]]
    assert client.body == OPEN + b"".join(map(encode_sse, joined)) + DONE


async def test_an_older_client_gets_what_it_knows():
    client = Client()
    await serve(SseBody(whole(), form(admit=V5.admit), OFF, place=ReplyPlace()), client)
    assert encode_sse(Finish()) in client.body
    assert b"finishReason" not in client.body


@pytest.mark.parametrize("start", range(7))
async def test_a_cursor_continues_exactly_and_names_its_place(start: int):
    client = Client()
    await serve(SseBody(whole(), form(cursor=True), OFF, place=ReplyPlace(given=start)), client)
    events = client.body.removeprefix(OPEN).removesuffix(DONE)
    rest = b"".join(map(encode_sse, REPLY[start:]))
    assert events == (b"id: %d\n" % (start + 1) + rest if rest else b"")


async def test_joined_deltas_have_places_of_their_own_until_they_are_all_said():
    client = Client()
    await serve(SseBody(whole(), form(cursor=True), OFF), client)
    events = client.body.removeprefix(OPEN).removesuffix(DONE).split(b"\n\n")[:-1]
    assert events[0].startswith(b"id: 0-6.1\n")
    assert events[-1].startswith(b"id: 6\n")
    assert not any(event.startswith(b"id:") for event in events[1:-1])


async def test_a_client_that_leaves_ends_the_body_and_nothing_else():
    client, log = Client(), ChunkLog("r")
    log.append(REPLY[0])
    client.on_body = lambda body: client.left.set() if body != OPEN else None
    assert not await serve(SseBody(log, form(), OFF), client)
    assert not log.closed


async def test_a_write_that_fails_is_a_client_that_left():
    client = Client()
    client.on_body = lambda _body: setattr(client, "fails", True)
    assert not await serve(SseBody(whole(), form(), OFF), client)


async def test_silence_is_filled_by_comments():
    client, log = Client(), ChunkLog("r")

    def say_more(body: bytes) -> None:
        if body == b": keep-alive\n\n" and not log.closed:
            log.extend(REPLY)
            log.close()

    client.on_body = say_more
    often = KeepAlive(0.01)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(often.run, tasks)
            assert await serve(SseBody(log, form(), often), client)
            often.stop()
    assert client.body.startswith(OPEN + b": keep-alive\n\ndata: ")


async def test_a_run_whose_process_died_is_kept_and_then_said_so():
    order: list[str] = []

    async def keep() -> None:
        order.append("kept")

    client, log = Client(), ChunkLog("r")
    client.on_body = lambda body: order.append("said") if b"interrupted" in body else None
    log.append(REPLY[0])
    log.close(StreamInterrupted("died"))
    await serve(SseBody(log, form(on_interrupted=keep), OFF), client)
    assert order == ["kept", "said"]
    assert client.body.endswith(encode_sse(Error(error_text="interrupted")) + DONE)


async def test_coalescing_gathers_what_comes_in_a_window():
    client, log = Client(), ChunkLog("r")
    log.append(REPLY[0])

    async def speak() -> None:
        for chunk in REPLY[1:]:
            log.append(chunk)
            await anyio.lowlevel.checkpoint()
        log.close()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            clock = GatherClock(0.05)
            tasks.start_soon(clock.run)
            tasks.start_soon(speak)
            await serve(SseBody(log, form(gather=clock), OFF, place=ReplyPlace()), client)
            clock.stop()
    assert len(client.pieces) == 4  # opening, the first at once, the rest together, the end


@pytest.mark.parametrize("cursor", [False, True], ids=["useChat", "our client"])
async def test_a_reader_that_stalls_is_moved_to_a_snapshot(*, cursor: bool):
    """What gathers while nobody reads is held once, in the log, and given in few chunks."""
    client, log = Client(), ChunkLog("r")
    go_on, stalled = anyio.Event(), anyio.Event()
    send = client.send

    async def stall(message: dict[str, object]) -> None:
        await send(message)
        if b'"one "' in client.body and not go_on.is_set():
            stalled.set()
            await go_on.wait()

    client.send = stall  # type: ignore[method-assign]
    words = [f"{number} " for number in range(50_000)]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            log.extend(REPLY[:3])
            tasks.start_soon(serve, SseBody(log, form(cursor=cursor), OFF), client)
            await stalled.wait()
            before = len(client.pieces)
            log.extend([TextDelta(id="t", delta=word) for word in words])
            await anyio.wait_all_tasks_blocked()
            assert len(client.pieces) == before, "something is written to a reader that is stalled"
            log.extend(REPLY[4:])
            log.close()
            go_on.set()
    text = "".join(words)
    assert len(client.body) < len(text) + 1000
    assert len(client.pieces) - before <= 3
    chunks = UIStreamDecoder().feed(client.body)
    assert "".join(c.delta for c in chunks if isinstance(c, TextDelta)) == "one " + text
    assert chunks[-1] == REPLY[-1]


async def test_who_comes_back_far_behind_reads_by_the_page():
    """An exact reader gets each chunk, and never a copy of the whole log at once."""
    client, log = Client(), ChunkLog("r")
    log.extend([*REPLY[:2], *(TextDelta(id="t", delta=f"{n} ") for n in range(5000)), REPLY[-1]])
    log.close()
    await serve(SseBody(log, form(cursor=True), OFF, place=ReplyPlace(given=2)), client)
    assert len(UIStreamDecoder().feed(client.body)) == 5001
    assert len(client.pieces) == 7  # opening, five pages, the end
