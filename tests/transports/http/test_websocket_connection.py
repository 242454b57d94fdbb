from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport.errors import (
    ConnectFailed,
    RemoteProtocolError,
    StreamInterrupted,
    TransportClosed,
)
from chat_transport.transports.http.websocket import WebSocketChatTransport
from chat_transport.transports.http.websocket_connection import SocketConnection

pytestmark = pytest.mark.anyio


class HTTPXWSException(Exception):  # named as the library does
    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason


class Session:
    """A socket that says what a script has, then raises."""

    def __init__(self, *texts: str, error: Exception | None = None) -> None:
        self._texts = list(texts)
        self._error = error
        self.closed: tuple[int, str | None] | None = None

    async def receive_text(self) -> str:
        if self._texts:
            return self._texts.pop(0)
        if self._error is None:
            await anyio.sleep_forever()
        assert self._error is not None
        raise self._error

    async def send_text(self, data: str) -> None:
        raise HTTPXWSException(1006, "")

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.closed = code, reason


class Client:
    def __init__(self, session: Session | Exception) -> None:
        self._session = session
        self.options: Mapping[str, Any] = {}

    @asynccontextmanager
    async def websocket(self, url: str, **options: Any) -> AsyncGenerator[Session, None]:
        self.options = options
        if isinstance(self._session, Exception):
            raise self._session
        yield self._session


async def nothing() -> None:
    return None


async def run(client: Client) -> SocketConnection:
    connection = SocketConnection()
    with anyio.fail_after(5):
        await connection.run(client, "ws://x", nothing, (), ping_s=None)
    assert connection.is_over
    return connection


async def test_a_socket_that_closes_says_its_code_and_reason():
    over = await run(Client(Session(error=HTTPXWSException(1012, "restart"))))
    assert isinstance(over.error, StreamInterrupted)
    assert str(over.error).endswith("closed (code 1012: restart).")
    assert over.error.resumable


async def test_a_socket_that_cannot_be_opened_is_connect_failed():
    over = await run(Client(OSError("nobody there")))
    assert isinstance(over.error, ConnectFailed)


async def test_a_frame_that_breaks_the_rules_closes_the_socket():
    session = Session("nonsense")
    over = await run(Client(session))
    assert isinstance(over.error, RemoteProtocolError)
    assert session.closed == (1011, "WebSocket chat transport error")


async def test_a_frame_for_a_broken_socket_is_not_sent():
    connection = SocketConnection()
    client = Client(Session())
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: connection.run(client, "ws://x", nothing, (), ping_s=7.0))
            await connection.opened.wait()
            with pytest.raises(StreamInterrupted, match="code 1006"):
                await connection.send("frame")
            connection.scope.cancel()
    with pytest.raises(TransportClosed):
        await connection.send("frame")
    assert client.options["keepalive_ping_interval_seconds"] == 7.0
    assert client.options["params"] is None


@pytest.mark.parametrize(("idle_timeout_s", "ping_s"), [(None, None), (30.0, 15.0)])
async def test_silence_is_found_out_by_pings(idle_timeout_s: float | None, ping_s: float | None):
    client = Client(OSError("nobody there"))
    async with WebSocketChatTransport(
        "ws://x", client=client, idle_timeout_s=idle_timeout_s
    ) as transport:
        with pytest.raises(ConnectFailed):
            await transport.stop("c")
    assert client.options["keepalive_ping_timeout_seconds"] == ping_s
