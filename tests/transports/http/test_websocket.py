from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from chat_transport.agent.run import Run, User
from chat_transport.chunks import Abort, Finish, Start, TextDelta, TextStart, UIMessageChunk
from chat_transport.errors import (
    ConnectFailed,
    RemoteProtocolError,
    RequestRejected,
    StreamInterrupted,
    TransportClosed,
)
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.exchange import IncomingRequest
from chat_transport.transports.http.reply_reader import ReconnectPolicy
from chat_transport.transports.http.websocket import WebSocketChatTransport

pytestmark = pytest.mark.anyio
Serve = Callable[[object], str]


def ask(text: str, chat_id: str = "c1") -> SendMessages:
    return SendMessages(chat_id=chat_id, messages=[UIMessage.user(text, id="u1")])


def at(url: str) -> str:
    return url.replace("http", "ws") + "/api/chat"


def said(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


async def test_replies_of_several_chats_share_one_socket(serve: Serve, handlers):
    url = at(serve(create_app(handlers.echo)))
    replies: dict[str, str] = {}

    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport:

            async def talk(chat_id: str) -> None:
                async with transport.send_messages(ask(f"to {chat_id}", chat_id)) as reply:
                    replies[chat_id] = said([chunk async for chunk in reply])

            async with anyio.create_task_group() as tasks:
                for number in range(5):
                    tasks.start_soon(talk, f"c{number}")
    assert replies == {f"c{n}": f"to c{n} " for n in range(5)}


async def test_leaving_lets_the_run_go_on_and_resume_replays_it(serve: Serve, gate):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="first ")
        await gate.passed()
        yield TextDelta(id="t", delta="second")

    url = at(serve(create_app(handler)))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport:
            async with transport.send_messages(ask("x")) as reply:
                while not isinstance(await reply.__anext__(), TextDelta):
                    pass
            async with transport.reconnect_to_stream(Reconnect(chat_id="c1")) as again:
                assert again is not None
                gate.open()
                chunks = [chunk async for chunk in again]
    assert isinstance(chunks[0], Start)
    assert said(chunks) == "first second"
    assert isinstance(chunks[-1], Finish)


@pytest.mark.parametrize("reading", [True, False])
async def test_stop_ends_the_run_with_abort(serve: Serve, gate, reading: bool):  # noqa: FBT001
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="partial")
        await gate.passed()

    url = at(serve(create_app(handler)))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport, WebSocketChatTransport(url) as other:
            async with transport.send_messages(ask("x")) as reply:
                while not isinstance(await reply.__anext__(), TextDelta):
                    pass
                await (transport if reading else other).stop("c1")
                rest = [chunk async for chunk in reply]
    assert isinstance(rest[-1], Abort)


async def test_resume_of_an_idle_chat_is_none(serve: Serve, handlers):
    url = at(serve(create_app(handlers.echo)))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport:
            async with transport.reconnect_to_stream(Reconnect(chat_id="none")) as stream:
                assert stream is None


async def test_headers_of_a_frame_authenticate_it(serve: Serve, handlers):
    def authenticate(request: IncomingRequest) -> User | None:
        token = request.headers.get("authorization")
        return User(id=token.removeprefix("Bearer ")) if token else None

    url = at(serve(create_app(handlers.echo, authenticate=authenticate)))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url, headers={"Authorization": "Bearer ann"}) as ann:
            async with ann.send_messages(ask("hello")) as reply:
                assert said([chunk async for chunk in reply]) == "hello "
        async with WebSocketChatTransport(url) as nobody:
            async with nobody.send_messages(ask("hello")) as reply:
                with pytest.raises(RequestRejected, match="authentication is required"):
                    await reply.__anext__()
        async with WebSocketChatTransport(url, headers={"authorization": "Bearer bob"}) as bob:
            with pytest.raises(RequestRejected, match="is not yours"):
                async with bob.send_messages(ask("mine?")) as reply:
                    await reply.__anext__()


async def test_a_socket_that_closes_fails_its_streams_as_resumable(serve: Serve):
    async def slam(scope: dict, receive, send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.close", "code": 1012})

    async def app(scope: dict, receive, send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await slam(scope, receive, send)

    url = at(serve(app))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url, reconnect=None) as transport:
            for _ in range(2):  # the next request opens a new socket
                async with transport.send_messages(ask("x")) as reply:
                    with pytest.raises(StreamInterrupted, match="1012") as caught:
                        await reply.__anext__()
                assert caught.value.resumable


async def test_nobody_there_is_connect_failed():
    with anyio.fail_after(10):
        async with WebSocketChatTransport("ws://127.0.0.1:1/api/chat") as transport:
            with pytest.raises(ConnectFailed):
                async with transport.send_messages(ask("x")):
                    pytest.fail("entered")


async def test_a_path_that_is_not_ours_is_refused(serve: Serve, handlers):
    url = at(serve(create_app(handlers.echo))) + "/elsewhere"
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport:
            with pytest.raises(ConnectFailed, match="refused"):
                async with transport.send_messages(ask("x")):
                    pytest.fail("entered")


async def test_use_before_entering_says_so():
    with pytest.raises(TransportClosed, match="not entered"):
        async with WebSocketChatTransport("ws://127.0.0.1:1").send_messages(ask("x")):
            pytest.fail("entered")


async def answering(scope: dict, receive, send, *frames: str) -> None:
    """Accept a socket and answer its first frame by these."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    asked = json.loads((await receive())["text"])
    for frame in frames:
        await send({"type": "websocket.send", "text": frame.replace("ID", asked["requestId"])})
    while (await receive())["type"] != "websocket.disconnect":
        pass


CHUNK = '{"type": "chunk", "requestId": "ID", "sequence": %d, "chunk": {"type": "%s"}}'


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (["nonsense"], "Invalid WebSocket chat response frame"),
        ([CHUNK % (0, "start"), CHUNK % (2, "start-step")], "Out-of-order"),
        ([CHUNK % (0, "of-tomorrow")], "Invalid UI message chunk"),
    ],
)
async def test_a_server_that_breaks_the_rules_fails_what_it_was_asked(
    serve: Serve, frames: list[str], words: str
):
    async def app(scope: dict, receive, send) -> None:
        await answering(scope, receive, send, *frames)

    url = at(serve(app))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport:
            async with transport.send_messages(ask("x")) as reply:
                with pytest.raises(RemoteProtocolError, match=words):
                    async for _ in reply:
                        pass


async def test_a_resume_that_is_refused_raises_the_servers_words(serve: Serve, handlers):
    def nobody(request: IncomingRequest) -> User | None:
        return None

    url = at(serve(create_app(handlers.echo, authenticate=nobody)))
    with anyio.fail_after(10):
        async with WebSocketChatTransport(url) as transport:
            with pytest.raises(RequestRejected, match="authentication is required"):
                async with transport.reconnect_to_stream(Reconnect(chat_id="c1")):
                    pytest.fail("entered")


async def test_a_server_that_does_not_open_the_socket_is_given_up():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}/api/chat"
        with anyio.fail_after(10):
            async with WebSocketChatTransport(url, connect_timeout_s=0.1) as transport:
                with pytest.raises(ConnectFailed, match="took too long"):
                    async with transport.send_messages(ask("x")):
                        pytest.fail("entered")


async def test_a_chunk_of_a_megabyte_arrives(serve: Serve):
    """A snapshot of a long reply, or an image, is one frame; httpx2 takes 64 KiB unless told."""
    big = "0123456789" * 100_000

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=big)

    url = at(serve(create_app(handler)))
    with anyio.fail_after(20):
        async with WebSocketChatTransport(url) as transport:
            async with transport.send_messages(ask("x")) as reply:
                assert said([chunk async for chunk in reply]) == big


async def test_params_and_protocols_are_said_when_a_socket_is_opened(serve: Serve):
    seen: list[dict] = []
    tokens = iter(["one", "two"])

    async def app(scope: dict, receive, send) -> None:
        if scope["type"] == "lifespan":
            await answering(scope, receive, send)
            return
        seen.append(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat.v1"})
        await receive()
        await send({"type": "websocket.close", "code": 1012, "reason": "restart"})

    async def params() -> dict[str, str]:
        return {"token": next(tokens)}

    url = at(serve(app)).replace("ws", "http", 1)  # as the page's own address
    with anyio.fail_after(10):
        async with WebSocketChatTransport(
            url, params=params, protocols=["chat.v1", "chat.v0"], reconnect=None
        ) as transport:
            for _ in range(2):
                async with transport.send_messages(ask("x")) as reply:
                    with pytest.raises(StreamInterrupted, match="1012: restart"):
                        await reply.__anext__()
    assert [scope["query_string"] for scope in seen] == [b"token=one", b"token=two"]
    assert list(seen[0]["subprotocols"]) == ["chat.v1", "chat.v0"]


async def test_sockets_that_a_server_closes_after_every_chunk_cost_nothing(serve: Serve):
    """Over a real network: two replies of one socket go on over twenty and more."""
    runs: list[str] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        runs.append(run.messages[-1].text)
        yield TextStart(id="t")
        for number in range(10):
            yield TextDelta(id="t", delta=f"{run.messages[-1].text}{number} ")
            await anyio.sleep(0.005)

    app = create_app(handler)
    opened: list[dict] = []

    async def cutting(scope: dict, receive, send) -> None:
        if scope["type"] != "websocket":
            await app(scope, receive, send)
            return
        opened.append(scope)
        chunks = 0

        async def sending(message: dict) -> None:
            nonlocal chunks
            await send(message)
            chunks += '"chunk"' in message.get("text", "")
            if chunks == 2:
                await send({"type": "websocket.close", "code": 1012})
                raise OSError("closed")

        await app(scope, receive, sending)

    policy = ReconnectPolicy(attempts=20, first_s=0.001, longest_s=0.01)
    said_by: dict[str, str] = {}
    url = at(serve(cutting))
    with anyio.fail_after(30):
        async with WebSocketChatTransport(url, reconnect=policy) as transport:

            async def talk(name: str) -> None:
                async with transport.send_messages(ask(name, name)) as reply:
                    said_by[name] = said([chunk async for chunk in reply])

            async with anyio.create_task_group() as tasks:
                for name in "ab":
                    tasks.start_soon(talk, name)
    assert sorted(runs) == ["a", "b"]
    assert said_by == {name: "".join(f"{name}{n} " for n in range(10)) for name in "ab"}
    assert len(opened) > 8


async def test_whoever_waits_for_a_socket_that_never_opens_is_told_alike():
    errors: list[str] = []
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}/api/chat"
        with anyio.fail_after(10):
            async with WebSocketChatTransport(url, connect_timeout_s=0.2) as transport:

                async def talk(chat_id: str) -> None:
                    with pytest.raises(ConnectFailed) as caught:
                        async with transport.send_messages(ask("x", chat_id)):
                            pytest.fail("entered")
                    errors.append(str(caught.value))

                async with anyio.create_task_group() as tasks:
                    for chat_id in "abc":
                        tasks.start_soon(talk, chat_id)
    assert len(errors) == 3
    assert all("took too long" in error for error in errors)
