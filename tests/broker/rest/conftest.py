"""REST calls without a server."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chat_transport.broker.rest.call import MSGPACK, Call
from chat_transport.broker.rest.routes import answer


class Got:
    """A reply as a client sees it."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str], *, binary: bool) -> None:
        self.status = status
        self.headers = headers
        decode = msgspec.msgpack.decode if binary else msgspec.json.decode
        self.value: Any = decode(body) if body else None

    @property
    def code(self) -> int:
        return self.value["error"]["code"]

    def link(self, name: str) -> str | None:
        for part in self.headers["link"].split(", "):
            target, relation = part.split("; ")
            if relation == f'rel="{name}"':
                return target.strip("<>")
        return None


@pytest.fixture
def call(world: Any) -> Callable[..., Got]:
    """`call("GET", "/channels/c/messages", limit="2")`; `body=`, `auth=`, `headers=`, `binary=`."""

    def make(
        method: str,
        path: str,
        *,
        body: Any = None,
        auth: str | None = "Basic " + base64.b64encode(b"app.key:secret").decode(),
        headers: dict[str, str] | None = None,
        binary: bool = False,
        **query: str,
    ) -> Got:
        sent = {"authorization": auth} if auth else {}
        encode = msgspec.json.encode
        if binary:
            sent |= {"accept": MSGPACK, "content-type": MSGPACK}
            encode = msgspec.msgpack.encode
        raw = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        one = Call(
            world.broker, method, path, query=query, headers=sent | (headers or {}), body=raw
        )
        reply = answer(one)
        return Got(reply.status, reply.body(binary=binary), reply.headers, binary=binary)

    return make
