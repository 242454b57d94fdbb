from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2
import pytest

from chat_transport.agent.run import Run, User
from chat_transport.chunks import (
    Abort,
    Finish,
    Start,
    TextDelta,
    TextStart,
    UIMessageChunk,
)
from chat_transport.codecs.ui_request import RequestLimits, parse_chat_request
from chat_transport.errors import ConnectFailed, LocalProtocolError
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.chat_store import MemoryChatStore
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.run_log import MemoryRunLog

pytestmark = pytest.mark.anyio
Serve = Callable[[object], str]


def ask(text: str, chat_id: str = "c1", message_id: str = "u1") -> SendMessages:
    return SendMessages(chat_id=chat_id, messages=[UIMessage.user(text, id=message_id)])


def said(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


async def test_send_streams_the_reply(serve: Serve, handlers):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with (
            HttpChatTransport(url) as transport,
            transport.send_messages(ask("a b")) as reply,
        ):
            chunks = [chunk async for chunk in reply]
    assert isinstance(chunks[0], Start)
    assert said(chunks) == "a b "
    assert chunks[-1] == Finish(finish_reason="stop")
    assert reply.run_id


async def test_history_has_the_reply_as_soon_as_the_stream_has_ended(serve: Serve, handlers):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            async with transport.send_messages(ask("hello")) as reply:
                start, *_ = [chunk async for chunk in reply]
            history = await transport.load_history("c1")
    assert isinstance(start, Start)
    assert [(m.role, m.text) for m in history.messages] == [
        ("user", "hello"),
        ("assistant", "hello "),
    ]
    assert history.messages[1].id == start.message_id
    assert history.active_run_id is None


async def test_history_pages_back(serve: Serve, handlers):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            for number in range(3):
                async with transport.send_messages(ask(str(number), message_id=f"u{number}")) as r:
                    async for _ in r:
                        pass
            page = await transport.load_history("c1", limit=2)
            older = await transport.load_history("c1", limit=10, before=page.cursor)
    assert [m.text for m in page.messages] == ["2", "2 "]
    assert page.has_older
    assert [m.text for m in older.messages] == ["0", "0 ", "1", "1 "]
    assert not older.has_older
    assert older.cursor is None


async def test_leaving_is_not_stopping_and_resume_gives_the_whole_reply(serve: Serve, gate):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="first ")
        await gate.passed()
        yield TextDelta(id="t", delta="second")

    url = serve(create_app(handler)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            async with transport.send_messages(ask("x")) as reply:
                while not isinstance(await reply.__anext__(), TextDelta):
                    pass
            history = await transport.load_history("c1")
            async with transport.reconnect_to_stream(Reconnect(chat_id="c1")) as again:
                assert again is not None
                assert again.run_id == history.active_run_id == reply.run_id
                gate.open()
                chunks = [chunk async for chunk in again]
    assert isinstance(chunks[0], Start)
    assert said(chunks) == "first second"
    assert chunks[-1] == Finish(finish_reason="other")


async def test_resume_of_an_idle_chat_is_none(serve: Serve, handlers):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            async with transport.reconnect_to_stream(Reconnect(chat_id="nobody")) as stream:
                assert stream is None


async def test_stop_ends_the_stream_with_abort_and_keeps_the_partial_reply(serve: Serve, gate):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="partial")
        await gate.passed()
        yield TextDelta(id="t", delta=" never")

    url = serve(create_app(handler)) + "/api/chat"
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport:
            async with transport.send_messages(ask("x")) as reply:
                while not isinstance(await reply.__anext__(), TextDelta):
                    pass
                await transport.stop("c1", reply.run_id)
                rest = [chunk async for chunk in reply]
            history = await transport.load_history("c1")
    assert isinstance(rest[-1], Abort)
    assert history.messages[-1].text == "partial"


async def test_the_head_and_a_comment_come_before_the_first_chunk(serve: Serve, gate):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        await gate.passed()
        yield TextStart(id="t")

    url = serve(create_app(handler, keep_alive_s=0.05)) + "/api/chat"
    body = {"id": "c", "messages": [UIMessage.user("x", id="u").to_wire()]}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client, client.stream("POST", url, json=body) as got:
            pieces = got.aiter_bytes()
            seen = await anext(pieces)
            assert seen.startswith(b": stream-open\n\n")
            while b": keep-alive\n\n" not in seen:
                seen += await anext(pieces)
            gate.open()
            async for piece in pieces:
                seen += piece
    assert got.headers["content-type"] == "text/event-stream"
    assert got.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert got.headers["x-accel-buffering"] == "no"
    assert seen.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "must be a JSON object"),
        (b'{"messages": []}', 400, "`id` must be a non-empty string"),
        (b'{"id": "c"}', 400, "`messages` must be a list"),
        (b'{"id": "c", "messages": []}', 400, "`messages` must not be empty"),
        (b'{"id": "c", "messages": [1]}', 400, "`messages[0]` must be an object"),
        (b'{"id": "c", "messages": [{"parts": []}]}', 400, "messages[0]; `id` must be a string"),
        (b'{"id": "c", "trigger": "x", "messages": []}', 400, "`trigger` must be"),
        (b'{"id": "c", "sessionName": "s"}', 404, "no invocations"),
        (b"x" * 5_000_000, 413, "longer than"),
    ],
)
async def test_a_bad_request_is_answered_by_one_clear_sentence(
    serve: Serve, handlers, content: bytes, status: int, words: str
):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.post(url, content=content)
    assert answer.status_code == status
    assert words in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_openapi_describes_the_endpoints(serve: Serve, handlers):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.get(url + "/openapi.json")
    assert set(json.loads(answer.content)["paths"]) == {
        "/api/chat",
        "/api/chat/{id}",
        "/api/chat/{id}/stream",
        "/api/chat/{id}/stop",
    }


class Lifespan:
    """An ASGI server's side of a lifespan."""

    def __init__(self, *events: str) -> None:
        self.told: list[dict[str, Any]] = []
        self._events = list(events)

    async def receive(self) -> dict[str, Any]:
        return {"type": f"lifespan.{self._events.pop(0)}"}

    async def send(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    async def play(self, app: Any) -> list[str]:
        with anyio.fail_after(5):
            await app({"type": "lifespan"}, self.receive, self.send)
        return [message["type"].removeprefix("lifespan.") for message in self.told]


WHOLE = ["startup.complete", "shutdown.complete"]


async def test_the_servers_lifespan_runs_the_application(handlers):
    assert await Lifespan("startup", "shutdown").play(create_app(handlers.echo)) == WHOLE


async def test_another_application_has_its_lifespan_inside_ours(handlers):
    chat = None
    inside: list[bool] = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        inside.append(chat._routes is not None)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    chat = create_app(handlers.echo, otherwise=other)
    assert await Lifespan("startup", "shutdown").play(chat) == WHOLE
    assert inside == [True]


@pytest.mark.parametrize("raises", [True, False])
async def test_an_application_that_knows_no_lifespan_does_not_matter(handlers, raises: bool):  # noqa: FBT001
    async def other(scope: Any, receive: Any, send: Any) -> None:
        if raises:
            raise ValueError("no lifespan here")

    chat = create_app(handlers.echo, otherwise=other)
    assert await Lifespan("startup", "shutdown").play(chat) == WHOLE


async def test_what_cannot_be_opened_fails_the_startup(handlers):
    class Away(MemoryRunLog):
        async def __aenter__(self) -> Any:
            raise ConnectFailed("unable to reach the run log")

    server = Lifespan("startup")
    chat = create_app(handlers.echo, run_log=Away())
    assert await server.play(chat) == ["startup.failed"]
    assert server.told[0]["message"] == "unable to reach the run log"


async def test_a_run_log_that_goes_away_is_answered_with_503(serve: Serve, handlers):
    class Away(MemoryRunLog):
        async def start(self, *_: object) -> None:
            raise ConnectFailed("unable to reach the run log")

    url = serve(create_app(handlers.echo, run_log=Away())) + "/api/chat"
    body = {"id": "c", "messages": [UIMessage.user("x", id="u").to_wire()]}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.post(url, json=body)
    assert (answer.status_code, answer.text) == (503, "unable to reach the run log")


async def test_a_request_before_the_start_says_what_to_do(handlers):
    chat = create_app(handlers.echo)
    scope = {"type": "http", "method": "GET", "path": "/api/chat/c", "headers": []}
    with pytest.raises(LocalProtocolError, match=r"lifespan=chat\.lifespan"):
        await chat(scope, Lifespan().receive, Lifespan().send)


async def test_an_application_runs_once(handlers):
    chat = create_app(handlers.echo)
    async with chat.lifespan():
        with pytest.raises(LocalProtocolError, match="twice"):
            async with chat.lifespan():
                pytest.fail("entered")


async def test_other_paths_go_to_the_other_application_or_nowhere(serve: Serve, handlers):
    async def other(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body", "body": b"tea"})

    alone, both = (
        serve(create_app(handlers.echo)),
        serve(create_app(handlers.echo, otherwise=other)),
    )
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            nowhere, tea = await client.get(alone + "/x"), await client.get(both + "/x")
    assert nowhere.status_code == 404
    assert "/api/chat" in nowhere.text
    assert tea.status_code == 418


async def test_closing_the_application_ends_its_runs_and_keeps_what_they_said():
    store = MemoryChatStore()

    async def endless(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="so far")
        await anyio.sleep_forever()

    chat = create_app(endless, store=store)
    with anyio.fail_after(10):
        async with chat.lifespan():
            routes = chat._running()
            wish = parse_chat_request(
                {"id": "c", "messages": [UIMessage.user("x", id="u").to_wire()]}, RequestLimits()
            )
            active = await routes.begin(wish, User())
            stream = active.log.stream()
            while not isinstance(await stream.__anext__(), TextDelta):
                pass
    stored = await store.load("c")
    assert stored is not None
    assert [message.text for message in stored.messages] == ["x", "so far"]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"store": "chats.sqlite"}, TypeError, r"as the store; .* SqliteChatStore\(path\)"),
        ({"store": MemoryChatStore}, TypeError, "give an object of ChatStore"),
        ({"run_log": "redis://x"}, TypeError, r"as the run_log; .* RedisRunLog\(url\)"),
        ({"profile": "v9"}, ValueError, "profile='v9'; say 'auto', 'v5'"),
    ],
)
async def test_a_wrong_setting_is_refused_at_once(
    handlers, settings: dict[str, Any], error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        create_app(handlers.echo, **settings)


async def test_an_application_of_no_handler_is_refused_at_once():
    with pytest.raises(TypeError, match="a handler is an async generator"):
        create_app("handler")


async def test_a_hook_that_gives_no_user_says_so(handlers):
    app = create_app(handlers.echo, authenticate=lambda _: "ann")
    network = httpx2.ASGITransport(app=app)
    async with app.lifespan(), httpx2.AsyncClient(transport=network, base_url="http://x") as client:
        with anyio.fail_after(5), pytest.raises(TypeError, match=r"gave a str: give a User\(id="):
            await client.get("/api/chat/c1")
