"""What readers cost over HTTP: an idle one, a late one, and the way of a stop to the handler.

Run: python tests/benchmarks/http_readers.py
One server process, and two that share a Redis server for a stop that comes from another process.
Clients are raw sockets; setting up a connection is part of each time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import uvloop
from http_load import facts, request_for
from http_servers import Server, pin_client, running

sys.path.insert(0, str(Path(__file__).parents[1]))
from servers import RedisServer, find_redis

TOKENS = 10_000
IDLE = 1000
ROUNDS = 30
LAST = b'"}\n\n'


async def _ask(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(request)
    return reader, writer


def _get(chat_id: str) -> bytes:
    return f"GET /api/chat/{chat_id}/stream HTTP/1.1\r\nhost: x\r\n\r\n".encode()


async def _words(reader: asyncio.StreamReader, count: int) -> int:
    """Read until so many words came. Gives the bytes that were read."""
    size = 0
    while count > 0:
        data = await reader.read(1 << 20)
        size += len(data)
        count -= data.count(b"~")
    return size


def _told(name: str, times_s: Sequence[float], goal: str) -> None:
    print(
        f"{name:58} p50 {median(times_s) * 1e3:6.2f} ms, max {max(times_s) * 1e3:6.2f}   goal {goal}"
    )


async def late_join(port: int) -> None:
    """Join a reply of 10,000 words that has fallen silent; then keep 1,000 such readers."""
    reader, _asked = await _ask(port, request_for("long", f"tokens={TOKENS} rate=0 hold=300"))
    await _words(reader, TOKENS)
    times_s: list[float] = []
    size = 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        late, writer = await _ask(port, _get("long"))
        size = await _words(late, TOKENS)
        times_s.append(time.perf_counter() - began)
        writer.close()
    _told(f"late join of {TOKENS:,} words, {size / 1024:.0f} KiB on the wire", times_s, "3 ms")
    await asyncio.sleep(0.5)
    before = await facts(port)
    idle = [await _ask(port, _get("long")) for _ in range(IDLE)]
    for late, _ in idle:
        await _words(late, TOKENS)
    await asyncio.sleep(0.3)
    after = await facts(port)
    kib = (after.resident_kib - before.resident_kib) / IDLE
    print(f"{'an idle attached client':58} {kib:10.1f} KiB              goal 20 KiB")
    for _, writer in idle:
        writer.close()


async def stops(asked: Server, running_in: Server, name: str, goal: str) -> None:
    """Stop replies that run in one server by asking another, or the same."""
    times_s: list[float] = []
    for number in range(ROUNDS):
        chat_id = f"s{asked.port}-{number}"
        stream, writer = await _ask(
            running_in.port, request_for(chat_id, "tokens=1000 rate=50 hold=60")
        )
        await stream.readuntil(b"~")
        await asyncio.sleep(0.05)  # so that the reply is told to others
        began = time.monotonic()
        head = f"POST /api/chat/{chat_id}/stop HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
        answer, stopper = await _ask(asked.port, head.encode())
        await answer.readuntil(b"stopped")
        while (closed := (await facts(running_in.port)).closed_at) < began:
            if time.monotonic() - began > 5:
                raise TimeoutError(f"the reply in {chat_id} was not stopped")
        times_s.append(closed - began)
        writer.close()
        stopper.close()
    _told(name, times_s, goal)


async def main() -> None:
    with running("ours") as server:
        await late_join(server.port)
        await stops(server, server, "stop request to handler closed, same process", "1 ms")
    program = find_redis()
    if program is None:
        print("stop from another process: absent, there is no redis-server here")
        return
    redis = RedisServer(program)
    redis.start()
    try:
        shared = {"REDIS": redis.url}
        with running("redis", shared) as one, running("redis", shared) as other:
            name = "stop request to handler closed, from another process (Redis)"
            await stops(other, one, name, "10 ms")
    finally:
        redis.kill()


if __name__ == "__main__":
    pin_client()
    uvloop.run(main())
