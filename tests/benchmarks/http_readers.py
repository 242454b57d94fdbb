"""What readers cost over HTTP: an idle one, a late one, and the way of a stop to the handler.

Run: python tests/benchmarks/http_readers.py
One server process with one run of 10,000 tokens that then falls silent; clients are raw sockets.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

TOKENS = 10_000
IDLE = 1000


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def app() -> Any:
    """A server that also tells its memory, and when its handler was closed."""
    from chat_transport.agent.run import Run
    from chat_transport.chunks import TextDelta, TextStart, UIMessageChunk
    from chat_transport.transports.http.app import create_app

    closed: list[float] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            yield TextStart(id="t")
            for number in range(TOKENS if run.chat_id == "long" else 1):
                yield TextDelta(id="t", delta=f"word{number % 10} ")
            await asyncio.sleep(3600)
        finally:
            closed.append(time.clock_gettime(time.CLOCK_MONOTONIC))

    chat = create_app(handler)

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/facts":
            rss = _resident_kib()
            body = f"{rss} {closed[-1] if closed else 0}".encode()
            length = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": body})
        else:
            await chat(scope, receive, send)

    return counted


async def _ask(port: int, method: str, path: str, body: bytes = b"") -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def _facts(port: int) -> tuple[int, float]:
    reader, writer = await _ask(port, "GET", "/facts")
    text = (await reader.readuntil(b"\r\n\r\n")) and await reader.read(200)
    writer.close()
    rss, closed = text.decode().split()
    return int(rss), float(closed)


def _question(chat_id: str) -> bytes:
    part = '{"type":"text","text":"q"}'
    return f'{{"id":"{chat_id}","messages":[{{"id":"u","role":"user","parts":[{part}]}}]}}'.encode()


async def _measure(port: int) -> None:
    reader, first = await _ask(port, "POST", "/api/chat", _question("long"))
    size, began = 0, time.perf_counter()
    while size < TOKENS * 60 and time.perf_counter() - began < 5:
        try:
            size += len(await asyncio.wait_for(reader.read(1 << 20), 0.5))
        except TimeoutError:
            break
    times, sizes = [], []
    for _ in range(30):
        started = time.perf_counter()
        late, writer = await _ask(port, "GET", "/api/chat/long/stream")
        got = b""
        while b'word9 "}\n\n' not in got:
            got += await late.read(1 << 20)
        times.append(time.perf_counter() - started)
        sizes.append(len(got))
        writer.close()
    print(
        f"late join of {TOKENS} tokens: p50 {1000 * statistics.median(times):.2f} ms, "
        f"max {1000 * max(times):.2f} ms, {sizes[0] / 1024:.0f} KiB on the wire"
    )
    await asyncio.sleep(0.5)
    before, _ = await _facts(port)
    idle = [await _ask(port, "GET", "/api/chat/long/stream") for _ in range(IDLE)]
    for late, _ in idle:
        got = b""
        while b'word9 "}\n\n' not in got:
            got += await late.read(1 << 20)
    after, _ = await _facts(port)
    print(f"idle attached client: {(after - before) / IDLE:.1f} KiB")
    for _, writer in idle:
        writer.close()
    waits = []
    for number in range(30):
        stream, writer = await _ask(port, "POST", "/api/chat", _question(f"s{number}"))
        await stream.readuntil(b"text-delta")
        started = time.clock_gettime(time.CLOCK_MONOTONIC)
        answer, stopper = await _ask(port, "POST", f"/api/chat/s{number}/stop")
        await answer.readuntil(b"stopped")
        _, closed = await _facts(port)
        waits.append(closed - started)
        writer.close()
        stopper.close()
    print(
        f"stop request to handler closed: p50 {1000 * statistics.median(waits):.2f} ms, "
        f"max {1000 * max(waits):.2f} ms (connection set-up included)"
    )
    first.close()


if __name__ == "__main__":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "uvicorn", "http_readers:app", "--factory", "--port", str(free),
        "--log-level", "error", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=Path(__file__).parent)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", free)) == 0:
                    break
            time.sleep(0.05)
        asyncio.run(_measure(free))
    finally:
        server.kill()
        server.wait(10)
