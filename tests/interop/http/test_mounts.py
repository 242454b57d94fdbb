"""The chat mounted in every framework, under every server, as a page would use it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from chat_transport.chunks import Finish, TextDelta
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.websocket import WebSocketChatTransport

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent
FRAMEWORKS = ["standalone", "fastapi", "starlette", "litestar", "django", "quart", "flask"]
SERVERS = ["uvicorn", "hypercorn", "granian"]
CASES = [(name, "uvicorn") for name in FRAMEWORKS] + [
    (name, server) for server in SERVERS[1:] for name in ("standalone", "fastapi", "quart")
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def command(server: str, framework: str, port: int) -> list[str]:
    target, at = f"mounts:{framework}", str(port)
    match server:
        case "uvicorn":
            return ["uvicorn", target, "--factory", "--port", at, "--log-level", "warning"]
        case "hypercorn":
            return [
                "hypercorn",
                f"{target}()",
                "--bind",
                f"127.0.0.1:{at}",
                "--log-level",
                "warning",
            ]
        case _:
            return [
                "granian", target, "--factory", "--interface", "asgi", "--port", at,
                "--log-level", "warning",
            ]  # fmt: skip


@contextmanager
def running(server: str, framework: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *command(server, framework, port)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


async def until_up(url: str) -> None:
    async with httpx2.AsyncClient() as client:
        while True:
            try:
                await client.get(url + "/own")
            except httpx2.ConnectError:
                await anyio.sleep(0.05)  # a server says by nothing but its port that it is up
            else:
                return


@pytest.mark.parametrize(("framework", "server"), CASES)
async def test_the_chat_answers_where_it_is_mounted(framework: str, server: str):
    pytest.importorskip(server)
    if framework != "standalone":
        pytest.importorskip(framework)
    request = SendMessages(chat_id="a/b", messages=[UIMessage.user("hi", id="u1")])
    with running(server, framework) as url, anyio.fail_after(25):
        await until_up(url)
        async with HttpChatTransport(url + "/api/chat") as transport:
            async with transport.send_messages(request) as reply:
                chunks = [chunk async for chunk in reply]
            history = await transport.load_history("a/b")
            async with transport.reconnect_to_stream(Reconnect(chat_id="a/b")) as idle:
                assert idle is None
            await transport.stop("a/b")
        socket_url = url.replace("http", "ws") + "/api/chat"
        async with WebSocketChatTransport(socket_url) as transport:
            again = SendMessages(chat_id="ws", messages=request.messages)
            async with transport.send_messages(again) as reply:
                over_socket = [chunk async for chunk in reply]
        assert over_socket[-1] == chunks[-1]
        async with httpx2.AsyncClient() as client:
            own = await client.get(url + "/own")
    assert "".join(c.delta for c in chunks if isinstance(c, TextDelta)) == "you said hi"
    assert isinstance(chunks[-1], Finish)
    assert [m.text for m in history.messages] == ["hi", "you said hi"]
    if framework != "standalone":
        assert own.status_code == 200
        assert "own page" in own.text
