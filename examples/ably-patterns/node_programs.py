"""Runs the programs in `node/` against the example's broker."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ends import CHANNEL, KEY, Ends

from chat_transport.transports.ably import make_token

HERE = Path(__file__).parent
NODE = HERE / "node_modules" / ".bin" / "node"
PATIENCE_S = 60


def install() -> None:
    """Install what package-lock.json names, once."""
    if not NODE.exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=HERE, check=True)


async def start(ends: Ends, program: str, *args: str) -> asyncio.subprocess.Process:
    """Start a program; its token vouches for who it is, and that a client has the role `user`."""
    host, _, port = ends.address.rpartition(":")
    is_client = program.endswith(".client")
    token = make_token(
        KEY,
        client_id="ann" if is_client else "node-agent",
        capability={CHANNEL: ["*"]},
        roles={CHANNEL: "user"} if is_client else {},
    )
    place = {"ABLY_ENDPOINT": host, "ABLY_PORT": port, "ABLY_TOKEN": token}
    return await asyncio.create_subprocess_exec(
        NODE,
        HERE / "node" / f"{program}.mjs",
        *args,
        env={**os.environ, **place},
        stdout=subprocess.PIPE,
    )


@asynccontextmanager
async def serving(ends: Ends, program: str) -> AsyncIterator[None]:
    """Let an agent serve while the block runs."""
    process = await start(ends, program)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await process.stdout.readline() == b"ready\n", f"{program} did not start"
        yield
    finally:
        process.terminate()
        await process.wait()


async def outcome(ends: Ends, program: str, *args: str) -> Any:
    """Run a program to its end and give what it says came of it; None if it says nothing."""
    process = await start(ends, program, *args)
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{program} left with {process.returncode}"
    return json.loads(said) if said else None
