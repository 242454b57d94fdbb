"""Two small requests, against a server in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chat_transport.errors import ConnectFailed, LocalProtocolError, RequestRejected
from chat_transport.transports.ably.post import post_json, token_from

pytestmark = pytest.mark.anyio


class Server(HTTPServer):
    seen: list[tuple[str, str, dict[str, str], str]]


@pytest.fixture
def server() -> Iterator[Server]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            self.answer(self.rfile.read(size).decode())

        def do_GET(self) -> None:
            self.answer("")

        def answer(self, body: str) -> None:
            server.seen.append((self.command, self.path, dict(self.headers.items()), body))
            status = 503 if self.path.startswith("/busy") else 200
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'"a.b.c"\n' if status == 200 else b"come back later")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Answer)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


async def test_json_is_posted_with_the_callers_headers(server: Server) -> None:
    await post_json(address(server, "/api?x=1"), {"a": 1}, {"x-tenant": "7"})
    ((method, path, headers, body),) = server.seen
    assert (method, path, json.loads(body)) == ("POST", "/api?x=1", {"a": 1})
    lower = {name.lower(): value for name, value in headers.items()}
    assert (lower["content-type"], lower["x-tenant"]) == ("application/json", "7")


async def test_a_token_is_fetched_each_time(server: Server) -> None:
    source = token_from(address(server, "/token"), headers={"cookie": "s=1"})
    assert [await source(), await source()] == ["a.b.c", "a.b.c"]
    assert len(server.seen) == 2


async def test_a_refusal_keeps_status_and_words(server: Server) -> None:
    with pytest.raises(RequestRejected, match=r"503 .*come back later") as raised:
        await post_json(address(server, "/busy?secret=1"), {})
    assert (raised.value.status, raised.value.body) == (503, "come back later")
    assert "secret" not in str(raised.value)


async def test_nobody_there_is_told(server: Server) -> None:
    with pytest.raises(ConnectFailed, match="unable to POST"):
        await post_json("http://127.0.0.1:1/api", {})


async def test_only_http_is_spoken() -> None:
    with pytest.raises(LocalProtocolError, match="http or https"):
        await post_json("file:///etc/passwd", {})
