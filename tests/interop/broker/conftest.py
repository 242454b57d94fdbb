"""A Node peer of the official `ably` package on a local broker."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chat_transport.broker import Namespace, serve_broker

HERE = Path(__file__).parent
KEY = "app.key:secret"


@pytest.fixture
def anyio_backend():
    """The broker is served by uvicorn, which knows asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def packages():
    """The packages of the lock file; a machine without Node skips."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node and npm")
    if not (HERE / "node_modules/ably").is_dir():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=HERE, check=True)


class RefusedError(Exception):
    """The SDK said no; `code` is Ably's."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


class Peer:
    """Asks the Node program, one line at a time, many at once."""

    def __init__(self, process: asyncio.subprocess.Process, running: Any) -> None:
        self.running = running
        self._process = process
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def options(self, **more: Any) -> dict[str, Any]:
        credentials = {} if "token" in more else {"key": KEY}
        place = {"endpoint": self.running.host, "port": self.running.port, "tls": False}
        return credentials | place | more

    async def __call__(self, op: str, **args: Any) -> Any:
        self._asked += 1
        future = self._waiting[self._asked] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": self._asked, "op": op, **args})
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(20):
            return await future

    async def read(self) -> None:
        async for line in self._process.stdout:
            said = json.loads(line)
            future = self._waiting.pop(said["id"])
            if "error" in said:
                future.set_exception(RefusedError(said["error"]))
            else:
                future.set_result(said["ok"])


@pytest.fixture
async def js(packages):
    async with serve_broker([KEY], namespaces=[Namespace("plain")]) as running:
        process = await asyncio.create_subprocess_exec(
            "node", "peer.mjs", cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**24
        )
        peer = Peer(process, running)
        reader = asyncio.create_task(peer.read())
        try:
            yield peer
        finally:
            await peer("closeAll")
            process.stdin.close()
            async with asyncio.timeout(10):
                await process.wait()
            await reader
