"""Node programs as peers: their packages, how a test talks to them, and the broker between.

A peer is a program of the folder of the test that starts it. It answers one JSON line with one
JSON line (`lines.mjs`); each folder has its own packages, as its lock file names them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ably_tokens import KEY, token_for

from chat_transport.broker import RunningBroker, serve_broker


class RefusedError(AssertionError):
    """The peer said no; `code` is Ably's, if it is Ably that refused."""

    def __init__(self, words: str, code: int | None) -> None:
        super().__init__(words)
        self.code = code


class JsPeer:
    """A Node program that answers one JSON line with one JSON line.

    Attributes:
        events: What it said unasked, oldest first.
        url: Where it listens, if it said so when it was opened.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self.events: list[dict[str, Any]] = []
        self.url: str | None = None
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
                continue
            future = self._answers.pop(said["id"])
            if future.done():
                continue  # who asked has gone
            if "error" in said:
                future.set_exception(RefusedError(said["error"], said.get("code")))
            else:
                future.set_result(said["ok"])

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


@pytest.fixture
def node_packages(request: pytest.FixtureRequest) -> None:
    """The packages of the test's folder, as its lock file names them; skips without npm."""
    folder = request.path.parent
    if not (folder / "node_modules/.bin/node").exists():
        if shutil.which("npm") is None:
            pytest.skip("needs Node and npm")
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=folder, check=True)


RunPeer = Callable[[str], AbstractAsyncContextManager[JsPeer]]


@pytest.fixture
def run_peer(node_packages: None, request: pytest.FixtureRequest) -> RunPeer:
    """Runs a program of the test's folder while the block lasts."""
    folder = request.path.parent
    return lambda program: _running(folder, program)


@asynccontextmanager
async def _running(folder: Path, program: str) -> AsyncIterator[JsPeer]:
    process = await asyncio.create_subprocess_exec(
        str(folder / "node_modules/.bin/node"),
        program,
        cwd=folder,
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


@pytest.fixture
def ably_key() -> str:
    """The broker's key."""
    return KEY


@pytest.fixture
async def broker() -> AsyncIterator[RunningBroker]:
    """A fresh broker."""
    async with serve_broker([KEY]) as running:
        yield running


@pytest.fixture
def stranger() -> Callable[[str], str]:
    """Makes tokens that vouch for an identity, but for no role."""
    return lambda client_id: token_for(client_id, role=None)


@pytest.fixture
def user_token() -> Callable[[str], str]:
    """Makes tokens that vouch for the role `user`."""
    return token_for


Start = Callable[..., Awaitable[JsPeer]]


@pytest.fixture
async def js(run_peer: RunPeer, broker: RunningBroker) -> AsyncIterator[Start]:
    """Start a peer and open it: `await js("client", channel="ai:1", clientId="alice")`."""
    async with AsyncExitStack() as stack:

        async def start(program: str, **options: Any) -> JsPeer:
            peer = await stack.enter_async_context(run_peer(f"{program}.mjs"))
            client = {"endpoint": broker.host, "port": broker.port, "tls": False}
            name = options.get("clientId", "js-agent")
            options = {"token": token_for(name), "clientOptions": client, **options}
            opened = await peer.call("open", **options)
            peer.url = opened["url"] if opened else None
            return peer

        yield start
