"""The servers that the HTTP benchmarks compare: one synthetic model behind ours and behind each peer.

Rule: a peer's library is imported by its own function only, so that each server runs in an
environment of its own; the model and the way a client asks for words are the same for all. A client
asks by the text of its message: `tokens=200 rate=50`, then silence for `hold` seconds. Each word is
the microsecond at which it was due, and `~`: clients count and date what comes without parsing it.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

__all__ = ["APPS", "make"]

ASKED = re.compile(r"tokens=(\d+) rate=(\d+)(?: hold=(\d+))?")
closed_at: list[float] = [0.0]
"""When a model was last closed before it had said everything."""


async def words(asked: Any) -> AsyncIterator[str]:
    """Be the model: say words at their time, late ones at once."""
    found = ASKED.search(asked if isinstance(asked, str) else str(asked))
    assert found is not None, asked
    count, rate, hold = int(found[1]), int(found[2]), int(found[3] or 0)
    due = time.monotonic()
    ended = False
    try:
        for _ in range(count):
            if rate:
                due += 1 / rate
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
            yield f"{due * 1e6:.0f}~ " if rate else "word~ "
        if hold:
            await asyncio.sleep(hold)
        ended = True
    finally:
        if not ended:
            closed_at[0] = time.monotonic()


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def with_facts(app: Any) -> Any:
    """Answer GET /facts with this process's seconds of CPU, its memory, and the last close."""

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/facts":
            resident = _resident_kib()
            body = f"{time.process_time()} {resident} {closed_at[0]}".encode()
            length = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": length})
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return counted


async def _body(receive: Any) -> str:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            return body.decode()


# ── peers ────────────────────────────────────────────────────────────────────────────────────────


def raw() -> Any:
    """The bound: an ASGI function that formats each event by hand; no log, no stop, no resume."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = await _body(receive)
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        async for word in words(asked):
            text = word.replace('"', '\\"').replace("\n", "\\n")
            body = f'data: {{"type":"text-delta","id":"t","delta":"{text}"}}\n\n'.encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    return app


def raw_10() -> Any:
    """The bound for gathering: the same, which writes each ten words of a reply at once.

    The first goes alone, as it does where windows are gathered: clients wait for it.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = await _body(receive)
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        gathered: list[str] = []
        wanted = 1
        async for word in words(asked):
            gathered.append(word)
            if len(gathered) == wanted:
                wanted = 10
                body = f'data: {{"type":"text-delta","id":"t","delta":"{"".join(gathered)}"}}\n\n'
                gathered.clear()
                await send({"type": "http.response.body", "body": body.encode(), "more_body": True})
        last = "".join(gathered)
        body = f'data: {{"type":"text-delta","id":"t","delta":"{last}"}}\n\ndata: [DONE]\n\n'
        await send({"type": "http.response.body", "body": body.encode()})

    return app


def starlette() -> Any:
    """What people write by hand: StreamingResponse and json.dumps."""
    import json

    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def events(asked: str) -> AsyncIterator[bytes]:
        async for word in words(asked):
            chunk = {"type": "text-delta", "id": "t", "delta": word}
            yield f"data: {json.dumps(chunk)}\n\n".encode()
        yield b"data: [DONE]\n\n"

    async def chat(request: Any) -> Any:
        asked = (await request.body()).decode()
        return StreamingResponse(events(asked), media_type="text/event-stream")

    return Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])


def fastapi_ai_sdk() -> Any:
    """A peer for the same protocol: typed events and their `to_sse`."""
    from fastapi import FastAPI
    from fastapi_ai_sdk import (
        AIStream,
        StartEvent,
        TextDeltaEvent,
        TextEndEvent,
        TextStartEvent,
        create_ai_stream_response,
    )
    from starlette.requests import Request

    async def events(asked: str) -> AsyncIterator[Any]:
        yield StartEvent(messageId="m")
        yield TextStartEvent(id="t")
        async for word in words(asked):
            yield TextDeltaEvent(id="t", delta=word)
        yield TextEndEvent(id="t")

    async def chat(request: Any) -> Any:
        return create_ai_stream_response(AIStream(events((await request.body()).decode())))

    chat.__annotations__ = {"request": Request}
    app = FastAPI()
    app.post("/api/chat")(chat)
    return app


def assistant_stream() -> Any:
    """A peer with a wire of its own: `create_run` and the data stream."""
    from assistant_stream import create_run
    from assistant_stream.serialization import DataStreamResponse
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def chat(request: Any) -> Any:
        asked = (await request.body()).decode()

        async def run(controller: Any) -> None:
            async for word in words(asked):
                controller.append_text(word)

        return DataStreamResponse(create_run(run))

    return Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])


def vercel_ai() -> Any:
    """A peer for the same protocol: the `ai` package's events through its `to_sse`, no agent."""
    from ai import events
    from ai.ui.ai_sdk import UI_MESSAGE_STREAM_HEADERS, to_sse
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def said(asked: str) -> AsyncIterator[Any]:
        yield events.StreamStart()
        yield events.TextStart(block_id="t")
        async for word in words(asked):
            yield events.TextDelta(block_id="t", chunk=word)
        yield events.TextEnd(block_id="t")
        yield events.StreamEnd()

    async def chat(request: Any) -> Any:
        asked = (await request.body()).decode()
        return StreamingResponse(to_sse(said(asked)), headers=UI_MESSAGE_STREAM_HEADERS)

    return Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])


def pydantic_ai() -> Any:
    """A peer for the same protocol: its agent and adapter, with a model that says our words."""
    from pydantic_ai import Agent
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.ui.vercel_ai import VercelAIAdapter
    from starlette.applications import Starlette
    from starlette.routing import Route

    def model(messages: Any, _: Any) -> AsyncIterator[str]:
        return words(messages[-1])

    agent = Agent(FunctionModel(stream_function=model))

    async def chat(request: Any) -> Any:
        return await VercelAIAdapter.dispatch_request(request, agent=agent)

    return Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])


# ── ours ─────────────────────────────────────────────────────────────────────────────────────────


async def _handler(run: Any) -> AsyncIterator[Any]:
    from chat_transport.chunks import TextDelta, TextEnd, TextStart

    yield TextStart(id="t")
    async for word in words(run.messages[-1].text):
        yield TextDelta(id="t", delta=word)
    yield TextEnd(id="t")


def ours(**options: Any) -> Any:
    """create_app: log, fold at the end, store, resume and stop included."""
    from chat_transport.transports.http.app import create_app

    return create_app(_handler, **options)


def coalesced() -> Any:
    """The same with 40 ms windows: two words of a reply in each."""
    return ours(coalesce_s=0.04)


def coalesced_100() -> Any:
    """The same with 100 ms windows: five words."""
    return ours(coalesce_s=0.1)


def coalesced_200() -> Any:
    """The same with 200 ms windows: ten words."""
    return ours(coalesce_s=0.2)


def redis() -> Any:
    """The same, each run copied to the Redis at `REDIS` for other processes."""
    from chat_transport.transports.http.redis_run_log import RedisRunLog

    return ours(run_log=RedisRunLog(os.environ["REDIS"]))


APPS: dict[str, Callable[[], Any]] = {
    "raw": raw,
    "raw_10": raw_10,
    "starlette": starlette,
    "fastapi_ai_sdk": fastapi_ai_sdk,
    "assistant_stream": assistant_stream,
    "vercel_ai": vercel_ai,
    "pydantic_ai": pydantic_ai,
    "ours": ours,
    "coalesced": coalesced,
    "coalesced_100": coalesced_100,
    "coalesced_200": coalesced_200,
    "redis": redis,
}


def make() -> Any:
    """Make the application that `BENCH_APP` names."""
    return with_facts(APPS[os.environ["BENCH_APP"]]())
