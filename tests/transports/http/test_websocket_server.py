from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import anyio
import httpx2
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.agent.run import Run, User
from chat_transport.chunks import Start, TextDelta, TextStart, UIMessageChunk
from chat_transport.codecs.retold import retold
from chat_transport.codecs.ui_request import RequestLimits
from chat_transport.codecs.ui_stream import decode_chunk
from chat_transport.errors import StreamInterrupted
from chat_transport.messages import UIMessage
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.chat_store import MemoryChatStore, StoredChat
from chat_transport.transports.http.cors import CorsPolicy
from chat_transport.transports.http.exchange import IncomingRequest
from chat_transport.transports.http.routes import INTERRUPTED_TEXT
from chat_transport.transports.http.run_log import LoggedRun, MemoryRunLog
from chat_transport.transports.http.websocket_rules import WebSocketRules

pytestmark = pytest.mark.anyio


def frame(**fields: object) -> str:
    return json.dumps({"requestId": "q1", "id": "c", "headers": {}, "body": {}, **fields})


def send_frame() -> str:
    message = UIMessage.user("hi", id="u1").to_wire()
    return frame(type="send", trigger="submit-message", messages=[message])


async def replies(url: str, *texts: str, count: int = 1) -> list[dict[str, object]]:
    got: list[dict[str, object]] = []
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            async with client.websocket(url.replace("http", "ws") + "/api/chat") as session:
                for text in texts:
                    await session.send_text(text)
                while sum(item["type"] in {"end", "error", "no-active"} for item in got) < count:
                    got.append(json.loads(await session.receive_text()))
    return got


async def test_chunks_are_numbered_from_zero_and_then_end(
    serve: Callable[[object], str], handlers: type
):
    got = await replies(serve(create_app(handlers.echo)), send_frame())
    chunks = [item for item in got if item["type"] == "chunk"]
    assert [item["sequence"] for item in chunks] == list(range(len(chunks)))
    assert got[-1] == {"type": "end", "requestId": "q1"}


async def test_a_bad_frame_with_a_name_is_answered(serve: Callable[[object], str], handlers: type):
    limits = RequestLimits(messages=0)
    url = serve(create_app(handlers.echo, limits=limits))
    bad = await replies(url, frame(type="send", trigger="nonsense"))
    long = await replies(url, send_frame())
    assert bad == [
        {
            "type": "error",
            "requestId": "q1",
            "errorText": "Invalid WebSocket chat send request.",
        }
    ]
    assert "0 are allowed" in str(long[0]["errorText"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "1008"),
        ("[]", "1008"),
        ('{"type": "send"}', "1008"),
        ("x" * 2000, "1009"),
        ("é" * 600, "1009"),
    ],
)
async def test_what_cannot_be_answered_closes_the_socket(
    serve: Callable[[object], str], handlers: type, text: str, code: str
):
    limits = RequestLimits(body_bytes=1000)
    url = serve(create_app(handlers.echo, limits=limits)).replace("http", "ws") + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client, client.websocket(url) as session:
            await session.send_text(text)
            with pytest.raises(Exception, match=code):
                await session.receive_text()


async def test_resume_of_an_idle_chat_and_abort_of_an_unknown_request(
    serve: Callable[[object], str], handlers: type
):
    url = serve(create_app(handlers.echo))
    abort = json.dumps({"type": "abort", "requestId": "never"})
    got = await replies(url, abort, frame(type="resume"))
    assert got == [{"type": "no-active", "requestId": "q1"}]


QUESTION = UIMessage.user("hi", id="u1")
ANSWERED = UIMessage.model_validate(
    {
        "id": "a1",
        "role": "assistant",
        "parts": [
            {"type": "text", "text": "let me see", "state": "done"},
            {
                "type": "tool-locate",
                "toolCallId": "call-1",
                "state": "output-available",
                "input": {},
                "output": "Praha",
            },
        ],
    }
)


async def some(url: str, text: str, count: int | None) -> list[dict[str, object]]:
    """Send one frame, read so many chunks (None: to the end) and go."""
    got: list[dict[str, object]] = []
    async with httpx2.AsyncClient() as client:
        async with client.websocket(url.replace("http", "ws") + "/api/chat") as session:
            await session.send_text(text)
            while count is None or len(got) < count:
                said = json.loads(await session.receive_text())
                if said["type"] == "end":
                    break
                if said["type"] == "chunk":
                    got.append(said)
    return [{"sequence": item["sequence"], "chunk": item["chunk"]} for item in got]


@pytest.mark.parametrize("counts", ["run", "reply"])
async def test_a_resume_goes_on_behind_every_sequence(
    serve: Callable[[object], str], gate, counts: str
):
    """`all[:k] + resume(k) == all`, with a chunk that no client knows and so nobody counts."""

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield decode_chunk(b'{"type": "of-tomorrow"}')
        for word in ("in ", "Pra", "ha"):
            yield TextDelta(id="t", delta=word)
        await gate.passed()

    store = MemoryChatStore()
    await store.save("c", StoredChat(messages=[QUESTION, asked(ANSWERED)]))
    url = serve(create_app(handler, store=store))
    ask = [QUESTION.to_wire(), ANSWERED.to_wire()]
    headers = {"x-chat-cursor": counts} if counts == "reply" else {}
    length = 5 + (counts == "reply") * len(list(retold(ANSWERED))[1:])
    with anyio.fail_after(20):
        sent = await some(url, frame(type="send", trigger="submit-message", messages=ask), 5)
        whole = sent
        if counts == "reply":
            resume = frame(type="resume", headers={"X-Chat-Cursor": "reply"})
            whole = await some(url, resume, length)
        assert [item["sequence"] for item in whole] == list(range(length))
        for last in range(length - 1):
            resume = frame(type="resume", headers=headers, lastSequence=last)
            rest = await some(url, resume, length - last - 1)
            assert whole[: last + 1] + rest == whole


def asked(message: UIMessage) -> UIMessage:
    """The message before its call was answered."""
    wire = message.to_wire()
    call = {key: value for key, value in wire["parts"][1].items() if key != "output"}
    parts = [wire["parts"][0], {**call, "state": "input-available"}]
    return UIMessage.model_validate({**wire, "parts": parts})


async def test_a_client_that_leaves_stops_its_runs_where_the_route_says_so(
    serve: Callable[[object], str], gate
):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            yield TextStart(id="t")
            await anyio.sleep_forever()
        finally:
            gate.open()

    url = serve(create_app(handler, on_disconnect="stop"))
    with anyio.fail_after(10):
        assert len(await some(url, send_frame(), 2)) == 2
        await gate.passed()


async def test_a_run_whose_process_died_ends_with_error_and_is_kept():
    store, run_log, log = MemoryChatStore(), MemoryRunLog(), ChunkLog("r")
    app = create_app(nobody, store=store, run_log=run_log)
    said: list[dict[str, object]] = []
    over = anyio.Event()
    frames = [{"type": "websocket.connect"}]
    frames.append({"type": "websocket.receive", "text": frame(type="resume")})

    async def receive() -> dict[str, object]:
        if frames:
            return frames.pop(0)
        await over.wait()
        return {"type": "websocket.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "websocket.send":
            said.append(json.loads(str(message["text"])))
            if said[-1]["type"] == "chunk" and said[-1]["sequence"] == 2:
                log.close(StreamInterrupted("died"))
            if said[-1]["type"] == "end":
                over.set()

    with anyio.fail_after(10):
        async with app.lifespan():
            run = LoggedRun(chat_id="c", run_id="r")
            await run_log.start(run, log, lambda _reason: None)
            log.extend([Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta="so f")])
            scope = {"type": "websocket", "path": "/api/chat", "headers": []}
            await app(scope, receive, send)  # type: ignore[arg-type]
    last = [item.get("chunk") for item in said[-2:]]
    assert last == [{"type": "error", "errorText": INTERRUPTED_TEXT}, None]
    kept = await store.load("c")
    assert kept is not None
    assert kept.messages[-1].text == "so f"


async def nobody(run: Run) -> AsyncIterator[UIMessageChunk]:
    raise AssertionError
    yield Start()


async def test_a_socket_that_is_gone_ends_its_serving():
    frames = [{"type": "websocket.connect"}]
    frames.append({"type": "websocket.receive", "text": frame(type="resume")})

    async def receive() -> dict[str, object]:
        if frames:
            return frames.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "websocket.send":
            raise OSError("gone")

    app = create_app(nobody)
    with anyio.fail_after(10):
        async with app.lifespan():
            scope = {"type": "websocket", "path": "/api/chat", "headers": []}
            await app(scope, receive, send)  # type: ignore[arg-type]


async def test_a_page_from_elsewhere_gets_no_socket(serve: Callable[[object], str], handlers: type):
    cors = CorsPolicy(origins=["https://app.example"])
    url = serve(create_app(handlers.echo, cors=cors)).replace("http", "ws") + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            with pytest.raises(Exception, match="403"):
                async with client.websocket(url, headers={"origin": "https://evil.example"}):
                    pytest.fail("opened")
            async with client.websocket(url, headers={"origin": "https://app.example"}) as session:
                await session.send_text(send_frame())
                assert json.loads(await session.receive_text())["type"] == "chunk"


async def test_a_token_may_come_as_a_subprotocol(serve: Callable[[object], str], handlers: type):
    def who(request: IncomingRequest) -> User | None:
        offered = request.headers.get("sec-websocket-protocol", "").split(",")
        tokens = [name.strip() for name in offered if name.strip().startswith("token.")]
        return User(id=tokens[0]) if tokens else None

    rules = WebSocketRules(protocols=["chat.v1"])
    app = create_app(handlers.echo, authenticate=who, websocket=rules)
    url = serve(app).replace("http", "ws") + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            offered = ["chat.v1", "token.ann"]
            async with client.websocket(url, subprotocols=offered) as session:
                assert session.subprotocol == "chat.v1"
                await session.send_text(send_frame())
                assert json.loads(await session.receive_text())["type"] == "chunk"


async def test_a_socket_that_asks_nothing_is_closed(serve: Callable[[object], str], handlers: type):
    rules = WebSocketRules(first_frame_s=0.05)
    url = serve(create_app(handlers.echo, websocket=rules)).replace("http", "ws") + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client, client.websocket(url) as session:
            with pytest.raises(Exception, match="1008"):
                await session.receive_text()


class Client:
    """A client of the application in this process, that may stop reading."""

    def __init__(self, *frames: str) -> None:
        self._frames = [{"type": "websocket.receive", "text": text} for text in frames]
        self._frames.insert(0, {"type": "websocket.connect"})  # type: ignore[arg-type]
        self.got: list[dict[str, object]] = []
        self.reads = anyio.Event()
        self.heard = anyio.Event()

    async def receive(self) -> dict[str, object]:
        if self._frames:
            return dict(self._frames.pop(0))
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: dict[str, object]) -> None:
        if message["type"] != "websocket.send":
            return
        await self.reads.wait()
        self.got.append(json.loads(str(message["text"])))
        self.heard.set()


async def test_more_requests_than_allowed_are_refused_by_name():
    run_log, log = MemoryRunLog(), ChunkLog("r")
    app = create_app(nobody, run_log=run_log, websocket=WebSocketRules(requests=1))
    frames = [json.dumps({**json.loads(frame(type="resume")), "requestId": name}) for name in "ab"]
    client = Client(*frames)
    client.reads.set()
    with anyio.fail_after(10):
        async with app.lifespan():
            await run_log.start(LoggedRun(chat_id="c", run_id="r"), log, lambda _reason: None)
            async with anyio.create_task_group() as tasks:
                scope = {"type": "websocket", "path": "/api/chat", "headers": []}
                tasks.start_soon(app, scope, client.receive, client.send)  # type: ignore[arg-type]
                while not any(item["type"] == "error" for item in client.got):
                    await client.heard.wait()
                    client.heard = anyio.Event()
                tasks.cancel_scope.cancel()
    refused = [item for item in client.got if item["type"] == "error"]
    assert [item["requestId"] for item in refused] == ["b"]
    assert "1 requests are under way" in str(refused[0]["errorText"])


async def test_a_client_that_does_not_read_has_left():
    """Nothing piles up for it: it holds a place in the log of its run, and one frame."""
    stopped = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            yield TextStart(id="t")
            while True:
                yield TextDelta(id="t", delta="more ")
                await anyio.lowlevel.checkpoint()
        finally:
            stopped.set()

    rules = WebSocketRules(send_timeout_s=0.05)
    app = create_app(handler, websocket=rules, on_disconnect="stop")
    client = Client(send_frame())
    with anyio.fail_after(10):
        async with app.lifespan():
            scope = {"type": "websocket", "path": "/api/chat", "headers": []}
            await app(scope, client.receive, client.send)  # type: ignore[arg-type]
            await stopped.wait()
    assert client.got == []


async def test_a_slow_client_of_ours_gets_what_gathered_joined():
    run_log, log = MemoryRunLog(), ChunkLog("r")
    app = create_app(nobody, run_log=run_log)
    client = Client(frame(type="resume", headers={"x-chat-cursor": "place"}))
    with anyio.fail_after(10):
        async with app.lifespan():
            await run_log.start(LoggedRun(chat_id="c", run_id="r"), log, lambda _reason: None)
            log.extend([Start(message_id="a1"), TextStart(id="t")])
            async with anyio.create_task_group() as tasks:
                scope = {"type": "websocket", "path": "/api/chat", "headers": []}
                tasks.start_soon(app, scope, client.receive, client.send)  # type: ignore[arg-type]
                log.extend(TextDelta(id="t", delta=f"{number} ") for number in range(5000))
                client.reads.set()
                while len(client.got) < 5:
                    await client.heard.wait()
                    client.heard = anyio.Event()
                    if len(client.got) == 4:
                        log.close()
                tasks.cancel_scope.cancel()
    assert [item["type"] for item in client.got] == ["start", "chunk", "chunk", "chunk", "end"]
    assert client.got[0]["runId"] == "r"
    assert client.got[3]["place"] == "5002"
