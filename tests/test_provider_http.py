"""The transport by itself; what adapters see of it is in contract/test_provider_clients.py."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import anyio
import anyio.abc
import httpx
import httpx2
import pytest

from chat_transport.provider_http import (
    PIECE_BYTES,
    AiohttpTransport,
    _open_socket,
    aiohttp_transport,
)
from chat_transport.testing.replay import Answer, replay_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


def client(library: Any, **options: Any) -> Any:
    return library.AsyncClient(transport=aiohttp_transport(library.AsyncClient), **options)


async def test_a_subclass_is_served_as_the_library_that_it_stands_on(library: Any):
    class Own(library.AsyncClient):
        pass

    async with replay_server(Answer(pieces=[b"a"])) as server, aiohttp_transport(Own) as transport:
        async with Own(transport=transport) as http:
            with anyio.fail_after(5):
                answer = await http.get(server.url)
    assert isinstance(answer, library.Response)
    assert (answer.status_code, answer.reason_phrase, answer.text) == (200, "Replay", "a")


async def test_an_uploads_pieces_arrive_in_order_whatever_they_are_made_of(library: Any):
    content = bytes(range(256)) * (PIECE_BYTES // 256) * 3 + b"end"

    async def parts() -> AsyncGenerator[bytes, None]:
        yield content[:10]
        yield content[10:]

    async with replay_server(Answer()) as server, client(library) as http:
        with anyio.fail_after(10):
            await http.post(server.url, content=content)
            length = {"content-length": str(len(content))}
            await http.post(server.url, content=parts(), headers=length)
            await http.post(server.url, content=b"short")
            await http.post(server.url)
    bodies = [request.body for request in server.requests]
    assert bodies == [content, content, b"short", b""]
    assert "transfer-encoding" not in server.requests[1].head.lower()


async def test_an_upload_of_unknown_length_is_chunked(library: Any):
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            while not (asked and asked[-1].endswith(b"0\r\n\r\n")):
                asked.append(await stream.receive())
            await stream.send(b"HTTP/1.1 204 Taken\r\n\r\n")

    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"ab"
        yield b"c"

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks, client(library) as http:
            tasks.start_soon(listener.serve, serve)
            with anyio.fail_after(5):
                answer = await http.post(f"http://127.0.0.1:{port}", content=parts())
            tasks.cancel_scope.cancel()
    assert answer.status_code == 204
    whole = b"".join(asked)
    assert whole.lower().count(b"transfer-encoding: chunked") == 1
    assert whole.endswith(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")


async def test_an_answer_before_the_upload_was_read_is_the_answer(library: Any):
    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 413 Too long\r\ncontent-length: 2\r\n\r\nno")
            await left.wait()

    left = anyio.Event()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            with anyio.fail_after(30):
                async with client(library, timeout=10) as http:
                    answer = await http.post(f"http://127.0.0.1:{port}", content=b"x" * 20_000_000)
                    assert (answer.status_code, answer.text) == (413, "no")
            left.set()
            tasks.cancel_scope.cancel()


async def test_errors_are_httpxs_own(library: Any):
    http = AiohttpTransport(library, aiohttp)
    cases = [
        (aiohttp.ConnectionTimeoutError("slow"), library.ConnectTimeout),
        (aiohttp.SocketTimeoutError("slow"), library.ReadTimeout),
        (aiohttp.ClientConnectorDNSError(Key(), OSError(1, "no name")), library.ConnectError),
        (aiohttp.ServerDisconnectedError(), library.RemoteProtocolError),
        (aiohttp.ClientPayloadError("cut"), library.RemoteProtocolError),
        (aiohttp.ClientOSError(104, "reset"), library.NetworkError),
        (aiohttp.NonHttpUrlClientError("x://"), library.UnsupportedProtocol),
    ]
    for error, kind in cases:
        made = http.translated(error)
        assert type(made) is kind
        assert str(made)
    other = ValueError("not aiohttp's")
    assert http.translated(other) is other


class Key:
    host, port, ssl, is_ssl = "nowhere.invalid", 443, True, True


async def test_what_fails_is_raised_as_httpxs(library: Any):
    async with client(library) as http:
        with anyio.fail_after(5):
            with pytest.raises(library.ConnectError):
                await http.get("http://127.0.0.1:9")
            with pytest.raises(library.UnsupportedProtocol):
                await http.get("ftp://127.0.0.1/")
            async with replay_server(Answer(pieces=[b"ab"], cut_after=1)) as server:
                with pytest.raises(library.RemoteProtocolError):
                    await http.get(server.url)


async def test_closing_closes_every_connection_and_it_opens_again(library: Any):
    async with replay_server(Answer(pieces=[b"a"])) as server:
        transport = aiohttp_transport(library.AsyncClient)
        http = library.AsyncClient(transport=transport)
        with anyio.fail_after(5):
            for _ in range(2):
                assert (await http.get(server.url)).text == "a"
                await transport.aclose()
                await transport.aclose()
        await http.aclose()


def test_a_silent_peer_is_probed():
    with _open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 9))) as opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
