"""A Node peer of the official `ably` package on a local broker."""

from __future__ import annotations

from typing import Any

import pytest

from chat_transport.broker import Namespace, serve_broker

KEY = "app.key:secret"


@pytest.fixture
def anyio_backend():
    """The broker is served by uvicorn, which knows asyncio alone."""
    return "asyncio"


class Peer:
    """Asks the Node program, one line at a time, many at once."""

    def __init__(self, peer: Any, running: Any) -> None:
        self.running = running
        self._peer = peer

    def options(self, **more: Any) -> dict[str, Any]:
        credentials = {} if "token" in more else {"key": KEY}
        place = {"endpoint": self.running.host, "port": self.running.port, "tls": False}
        return credentials | place | more

    async def __call__(self, op: str, **args: Any) -> Any:
        return await self._peer.call(op, **args)


@pytest.fixture
async def js(run_peer):
    async with serve_broker([KEY], namespaces=[Namespace("plain")]) as running:
        async with run_peer("peer.mjs") as peer:
            yield Peer(peer, running)
            await peer.call("closeAll")
