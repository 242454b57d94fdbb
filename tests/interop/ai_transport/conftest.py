"""JavaScript peers of the official packages, on a local broker."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from chat_transport.broker import RunningBroker, serve_broker

HERE = Path(__file__).parent
KEY = "app.key:a-secret-of-at-least-thirty-two-bytes"


@pytest.fixture
def anyio_backend() -> str:
    """ably-python knows asyncio alone."""
    return "asyncio"


@pytest.fixture
def ably_key() -> str:
    """The broker's key."""
    return KEY


class JsPeer:
    """A Node program that answers one JSON line with one JSON line.

    Attributes:
        events: What it said unasked, oldest first.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self.events: list[dict[str, Any]] = []
        self._said = asyncio.Condition()

    async def call(self, op: str, **args: Any) -> Any:
        """Run one operation of the peer and give its answer, within 30 s."""
        self._next += 1
        future = self._answers[self._next] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps({"id": self._next, "op": op, **args})
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(30):
            return await future

    async def read(self) -> None:
        """Take what the peer says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "id" not in said:
                async with self._said:
                    self.events.append(said)
                    self._said.notify_all()
            elif "error" in said:
                self._answers.pop(said["id"]).set_exception(AssertionError(said["error"]))
            else:
                self._answers.pop(said["id"]).set_result(said["ok"])

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        self._process.kill()
        async with asyncio.timeout(10):
            await self._process.wait()

    async def until_event(self, name: str, count: int = 1) -> None:
        """Wait until it has said `name` that often, within 30 s."""
        async with asyncio.timeout(30), self._said:
            await self._said.wait_for(
                lambda: sum(event["event"] == name for event in self.events) >= count
            )


@asynccontextmanager
async def run_peer(program: str) -> AsyncIterator[JsPeer]:
    process = await asyncio.create_subprocess_exec(
        str(HERE / "node_modules/.bin/node"),
        program,
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**24,
    )
    peer = JsPeer(process)
    reader = asyncio.create_task(peer.read())
    try:
        await peer.until_event("ready")
        yield peer
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reader


@pytest.fixture(scope="session")
def node_packages() -> None:
    """The peers' packages, as their lock file names them."""
    if not (HERE / "node_modules/.bin/node").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=HERE, check=True)


@pytest.fixture
async def broker() -> AsyncIterator[RunningBroker]:
    """A fresh broker."""
    async with serve_broker([KEY]) as running:
        yield running


Start = Callable[..., Awaitable[JsPeer]]


def token_for(client_id: str) -> str:
    """A JWT as a token endpoint gives it."""
    name, secret = KEY.split(":")
    claims = {
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
        "x-ably-clientId": client_id,
        "x-ably-capability": json.dumps({"*": ["*"]}),
        "ably.channel.*": "user",
    }
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": name})


@pytest.fixture
async def js(node_packages: None, broker: RunningBroker) -> AsyncIterator[Start]:
    """Start a peer and open it: `await js("client", channel="ai:1", clientId="alice")`."""
    async with AsyncExitStack() as stack:

        async def start(program: str, **options: Any) -> JsPeer:
            peer = await stack.enter_async_context(run_peer(f"{program}.mjs"))
            client = {"endpoint": broker.host, "port": broker.port, "tls": False}
            name = options.get("clientId", "js-agent")
            opened = await peer.call("open", clientOptions=client, token=token_for(name), **options)
            peer.url = opened["url"] if opened else None  # type: ignore[attr-defined]
            return peer

        yield start
