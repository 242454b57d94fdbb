"""Ours, adapter by adapter: from the provider's socket to chunks, and to SSE bytes.

A path is opened for an address and gives a call: what yields the number of tokens of each item.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import count
from typing import Any, TypeAlias

import anyio
import msgspec
import provider_server

from chat_transport.chunks import TextDelta
from chat_transport.codecs.ui_stream import encode_sse
from chat_transport.messages import UIMessage
from chat_transport.transports.http.app import create_app

HELLO = [UIMessage.user("Hi", id="u")]
KEY = "k"

Call: TypeAlias = Callable[[], AsyncIterator[int]]
Path: TypeAlias = Callable[[str], AbstractAsyncContextManager[Call]]
"""Opens a client for an address."""
Mapping: TypeAlias = Callable[[str], Awaitable[float]]
"""Gives the microseconds of a token, native event to SSE bytes; the address gives the events."""


@dataclass(frozen=True)
class Row:
    """One line of the table; None where there is nothing to measure."""

    name: str
    boundary: Path | None
    whole: Path | None = None
    mapping: Mapping | None = None


def installed(*names: str) -> bool:
    """Whether all these packages are here."""
    return all(find_spec(name) is not None for name in names)


def adapter_row(name: str, make: Callable[[str], Any], wire: str | None) -> Row:
    """Measure a model adapter; `wire` names the function of `provider_server` whose events it maps."""

    @asynccontextmanager
    async def boundary(url: str) -> AsyncGenerator[Call, None]:
        adapter = make(url)

        async def run() -> AsyncIterator[int]:
            async for chunk in adapter.stream(HELLO):
                yield type(chunk) is TextDelta

        yield run
        await _close(adapter)

    @asynccontextmanager
    async def whole(url: str) -> AsyncGenerator[Call, None]:
        adapter = make(url)
        async with served(lambda run: adapter.stream(run.messages)) as run:
            yield run
        await _close(adapter)

    async def mapping(_: str) -> float:
        body = b"".join(getattr(provider_server, wire or "")(provider_server.BULK_TOKENS))
        events = [msgspec.json.decode(line) for line in _data(body)]
        adapter = make("http://127.0.0.1:9")
        return best_us(lambda: fed(adapter.decoder(), events))

    return Row(name, boundary, whole, mapping if wire is not None else None)


async def _close(adapter: Any) -> None:
    if hasattr(adapter, "aclose"):
        await adapter.aclose()


def _data(body: bytes) -> Iterable[bytes]:
    for line in body.split(b"\n"):
        text = line.removeprefix(b"data: ").strip()
        if text.startswith(b"{"):
            yield text


def fed(decoder: Any, events: Iterable[Any]) -> None:
    """Map events to the bytes of chunks."""
    for event in events:
        for chunk in decoder.feed(event):
            encode_sse(chunk)
    for chunk in decoder.end():
        encode_sse(chunk)


def best_us(work: Callable[[], object]) -> float:
    """Give the microseconds of a token, the least of seven times."""
    times: list[float] = []
    for _ in range(7):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times) / provider_server.BULK_TOKENS * 1e6


@asynccontextmanager
async def served(handler: Any) -> AsyncGenerator[Call, None]:
    """Open our HTTP application around a handler: down to the bytes that the ASGI server is given."""
    app = create_app(handler)
    numbers = count()

    async def run() -> AsyncIterator[int]:
        asked = {"id": f"c{next(numbers)}", "trigger": "submit-message"}
        body = json.dumps(asked | {"messages": [HELLO[0].to_wire()]}).encode()
        async for data in requested(app, body):
            yield data.count(b"text-delta")

    async with app.lifespan():
        yield run


async def requested(app: Any, body: bytes) -> AsyncIterator[bytes]:
    """Ask an ASGI application in this process; each item is one body message."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/chat",
        "raw_path": b"/api/chat",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"x"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    ended = anyio.Event()
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    written: list[bytes] = []
    told = anyio.Event()

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal told
        if message["type"] == "http.response.body":
            written.append(message.get("body", b""))
            if not message.get("more_body"):
                ended.set()
                told.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, scope, receive, send)
        # Looked at ten times a second, so that the reader costs nothing: only bytes are counted.
        while not ended.is_set():
            with anyio.move_on_after(0.1):
                await told.wait()
            if written:
                data = b"".join(written)
                written.clear()
                yield data
    if written:
        yield b"".join(written)


def _openai(kind: str, *, aiohttp: bool) -> Callable[[str], Any]:
    def make(url: str) -> Any:
        import chat_transport_openai

        adapter = getattr(chat_transport_openai, kind)
        options = {"include_usage": False} if kind == "OpenAIChat" else {}
        return adapter("gpt-5", api_key=KEY, base_url=f"{url}/v1", aiohttp=aiohttp, **options)

    return make


def _anthropic(*, aiohttp: bool) -> Callable[[str], Any]:
    def make(url: str) -> Any:
        from chat_transport_anthropic import AnthropicMessages

        return AnthropicMessages("claude", api_key=KEY, base_url=url, aiohttp=aiohttp)

    return make


def _gemini(*, aiohttp: bool) -> Callable[[str], Any]:
    def make(url: str) -> Any:
        from chat_transport_google_genai import Gemini

        return Gemini("gemini-3", api_key=KEY, base_url=url, aiohttp=aiohttp)

    return make


def _ollama(*, aiohttp: bool) -> Callable[[str], Any]:
    def make(url: str) -> Any:
        from chat_transport_ollama import Ollama

        return Ollama("m", host=url, aiohttp=aiohttp)

    return make


def _litellm(url: str) -> Any:
    from chat_transport_litellm import LiteLLM

    return LiteLLM("openai/gpt-4o", api_key=KEY, api_base=f"{url}/v1")


def _litellm_row() -> Row:
    row = adapter_row("chat-transport-litellm", _litellm, None)

    async def mapping(url: str) -> float:
        import litellm
        from chat_transport_litellm._adapter import _plain

        stream = await litellm.acompletion(
            model="openai/gpt-4o",
            api_key=KEY,
            api_base=f"{url}/v1",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
        )
        events = [event async for event in stream]
        decoder = _litellm(url).decoder
        return best_us(lambda: fed(decoder(), (_plain(event) for event in events)))

    return Row(row.name, row.boundary, row.whole, mapping)


def _twice(name: str, wire: str, make: Callable[..., Callable[[str], Any]]) -> list[Row]:
    return [
        adapter_row(name, make(aiohttp=True), wire),
        adapter_row(f"{name}, httpx", make(aiohttp=False), wire),
    ]


def rows() -> list[Row]:
    """Give the rows whose SDK is installed here."""
    found: list[Row] = []
    if installed("openai", "chat_transport_openai") and not installed("litellm"):
        responses, chat = partial(_openai, "OpenAIResponses"), partial(_openai, "OpenAIChat")
        found += _twice("chat-transport-openai, Responses", "responses", responses)
        found += _twice("chat-transport-openai, chat", "chat", chat)
    if installed("anthropic", "chat_transport_anthropic"):
        found += _twice("chat-transport-anthropic", "messages", _anthropic)
    if installed("google", "google.genai", "chat_transport_google_genai"):
        found += _twice("chat-transport-google-genai", "gemini", _gemini)
    if installed("ollama", "chat_transport_ollama"):
        found += _twice("chat-transport-ollama", "ollama", _ollama)
    if installed("litellm", "chat_transport_litellm"):
        found.append(_litellm_row())
    return found
