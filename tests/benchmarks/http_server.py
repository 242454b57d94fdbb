"""What one core pays to deliver a token over HTTP: ours beside raw ASGI, Starlette and pydantic-ai.

Run: python tests/benchmarks/http_server.py [--streams 100] [--rate 50] [--seconds 4]
The server is a process of its own; its CPU time divided by the events that clients got is the cost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

WORDS = 'Rychlá hnědá "liška" skáče přes líného psa, and the quick brown fox.\n'
TEXT = WORDS.split(" ")
RATE, SECONDS = int(os.environ.get("RATE", "50")), float(os.environ.get("SECONDS", "4"))
COUNT = int(RATE * SECONDS)


async def _ticks(count: int = COUNT) -> AsyncIterator[int]:
    """Give one number each 1/RATE second, late ones at once."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in range(count):
        due += 1 / RATE
        wait = due - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        yield number


async def _count(receive: Any) -> int:
    """Read the request; the chat `c-1` is the warm-up and gets one event."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            return 1 if b'"c-1"' in body else COUNT


def _usage(app: Any) -> Any:
    """Answer GET /cpu with the seconds of CPU that this process has used."""

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/cpu":
            used = resource.getrusage(resource.RUSAGE_SELF)
            peak_kib = used.ru_maxrss
            body = f"{used.ru_utime + used.ru_stime} {peak_kib}".encode()
            length = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return counted


def raw() -> Any:
    """The bound: an ASGI function that formats each event by hand."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        count = await _count(receive)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        async for number in _ticks(count):
            word = TEXT[number % len(TEXT)].replace('"', '\\"').replace("\n", "\\n")
            body = f'data: {{"type":"text-delta","id":"t","delta":"{word}"}}\n\n'.encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    return _usage(app)


def starlette() -> Any:
    """What people write by hand: StreamingResponse and json.dumps."""
    import json

    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def events(count: int) -> AsyncIterator[bytes]:
        async for number in _ticks(count):
            chunk = {"type": "text-delta", "id": "t", "delta": TEXT[number % len(TEXT)]}
            yield f"data: {json.dumps(chunk)}\n\n".encode()
        yield b"data: [DONE]\n\n"

    async def chat(request: Any) -> Any:
        count = 1 if b'"c-1"' in await request.body() else COUNT
        return StreamingResponse(events(count), media_type="text/event-stream")

    return _usage(Starlette(routes=[Route("/api/chat", chat, methods=["POST"])]))


def pydantic_ai() -> Any:
    """A peer: pydantic-ai's adapter for the same protocol, with a model that streams our words."""
    from pydantic_ai import Agent
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.ui.vercel_ai import VercelAIAdapter
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def words(messages: Any, _: Any) -> AsyncIterator[str]:
        count = 1 if "warm" in str(messages[-1]) else COUNT
        async for number in _ticks(count):
            yield TEXT[number % len(TEXT)]

    agent = Agent(FunctionModel(stream_function=words))

    async def chat(request: Any) -> Any:
        return await VercelAIAdapter.dispatch_request(request, agent=agent)

    return _usage(Starlette(routes=[Route("/api/chat", chat, methods=["POST"])]))


async def _handler(run: Any) -> AsyncIterator[Any]:
    from chat_transport.chunks import TextDelta, TextEnd, TextStart

    yield TextStart(id="t")
    async for number in _ticks(1 if run.chat_id == "c-1" else COUNT):
        yield TextDelta(id="t", delta=TEXT[number % len(TEXT)])
    yield TextEnd(id="t")


def ours() -> Any:
    """create_app: log, fold at the end, store, resume and stop included."""
    from chat_transport.transports.http.app import create_app

    return _usage(create_app(_handler))


def coalesced() -> Any:
    """The same with 40 ms windows."""
    from chat_transport.transports.http.app import create_app

    return _usage(create_app(_handler, coalesce_s=0.04))


def redis() -> Any:
    """The same, each run copied to Redis for other processes."""
    from chat_transport.transports.http.app import create_app
    from chat_transport.transports.http.redis_run_log import RedisRunLog

    return _usage(create_app(_handler, run_log=RedisRunLog(os.environ["REDIS"])))


async def _get(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode().rpartition("\r\n\r\n")[2]


async def _stream(port: int, name: int) -> tuple[int, float]:
    """Read one reply off a raw socket. Gives its events, and seconds to the first."""
    body = (
        f'{{"trigger":"submit-message","id":"c{name}","messages":[{{"id":"u","role":"user",'
        f'"parts":[{{"type":"text","text":"{"warm" if name < 0 else "q"}"}}]}}]}}'
    )
    head = (
        "POST /api/chat HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    writer.write((head + body).encode())
    first, events, tail = 0.0, 0, b""
    while b"[DONE]" not in tail:
        data = await reader.read(65536)
        assert data, tail
        tail = tail[-16:] + data
        events += data.count(b"text-delta")
        if events and not first:
            first = time.perf_counter() - started
    writer.close()
    return events, first


async def _measure(port: int, streams: int) -> tuple[int, float, float, float, float]:
    await _stream(port, -1)  # first requests import what later ones have
    cpu, memory = map(float, (await _get(port, "/cpu")).split())
    started = time.perf_counter()
    results = await asyncio.gather(*(_stream(port, name) for name in range(streams)))
    took = time.perf_counter() - started
    cpu_after, memory_after = map(float, (await _get(port, "/cpu")).split())
    events = sum(count for count, _ in results)
    firsts = sorted(first for _, first in results)
    return (
        events,
        cpu_after - cpu,
        took,
        firsts[len(firsts) // 2],
        (memory_after - memory) / streams,
    )


def _run(name: str, streams: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "uvicorn", f"http_server:{name}", "--factory", "--port", str(port),
        "--log-level", "error", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=Path(__file__).parent)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        events, cpu, took, first, memory = asyncio.run(_measure(port, streams))
    finally:
        server.terminate()
        server.wait(10)
    print(
        f"{name:11} {1e6 * cpu / events:6.1f} us CPU/event  {events:7} events in {took:4.1f} s  "
        f"first p50 {1000 * first:6.1f} ms  {memory:5.0f} KiB/stream",
        flush=True,
    )


NAMES = ["raw", "starlette", "ours", "coalesced", "pydantic_ai"]

if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--streams", type=int, default=100)
    options.add_argument("names", nargs="*", default=NAMES)
    given = options.parse_args()
    for each in given.names:
        _run(each, given.streams)
