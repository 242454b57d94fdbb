"""Peers at the provider's boundary: bare HTTP, the SDKs themselves, and frameworks.

Each is used as its own documentation says; what is not installed has no row.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
from provider_paths import HELLO, KEY, Call, Row, best_us, installed, served

from chat_transport.agent.run import Run
from chat_transport.chunks import TextDelta
from chat_transport.codecs.ui_stream import encode_sse

_decode = msgspec.json.Decoder().decode
ASKED = [{"role": "user", "content": "Hi"}]


def rows() -> list[Row]:
    """Give the rows of what is installed here."""
    found = [
        Row("floor: httpx2, split, msgspec", _httpx2),
        Row("openai SDK, Responses", _sdk_responses),
        Row("openai SDK, chat", _sdk_chat(aiohttp=False)),
    ]
    if installed("aiohttp"):
        found.insert(0, Row("floor: aiohttp, split, msgspec", _aiohttp))
        found.append(Row("openai SDK, chat, aiohttp", _sdk_chat(aiohttp=True)))
    if installed("anthropic"):
        found.append(Row("anthropic SDK", _sdk_anthropic))
    if installed("google", "google.genai"):
        found.append(Row("google-genai SDK", _sdk_gemini))
    if installed("ollama"):
        found.append(Row("ollama SDK", _sdk_ollama))
    if installed("pydantic_ai", "chat_transport_pydantic_ai"):
        found.append(Row("chat-transport-pydantic-ai", *_bridge(_pydantic_ai_bridge)))
        found.append(Row("pydantic-ai", _pydantic_ai, _pydantic_ai_whole, _pydantic_ai_mapping))
    if installed("agents", "chat_transport_openai_agents"):
        bridge = _bridge(_agents_bridge)
        found.append(Row("chat-transport-openai-agents", *bridge, _agents_mapping))
        found.append(Row("openai-agents", _agents))
    if installed("langchain_openai", "chat_transport_langchain"):
        bridge = _bridge(_langchain_bridge)
        found.append(Row("chat-transport-langchain", *bridge, _langchain_mapping))
        found.append(Row("langchain", _langchain))
    return found


def _events_of(rest: bytes, piece: bytes) -> tuple[bytes, int]:
    *events, rest = (rest + piece).split(b"\n\n")
    tokens = 0
    for event in events:
        if event != b"data: [DONE]":
            _decode(event[6:])
            tokens += b'"content"' in event
    return rest, tokens


@asynccontextmanager
async def _aiohttp(url: str) -> AsyncGenerator[Call, None]:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def run() -> AsyncIterator[int]:
            rest = b""
            async with session.post(f"{url}/v1/chat/completions", json={}) as response:
                async for piece in response.content.iter_any():
                    rest, tokens = _events_of(rest, piece)
                    yield tokens

        yield run


@asynccontextmanager
async def _httpx2(url: str) -> AsyncGenerator[Call, None]:
    import httpx2

    async with httpx2.AsyncClient(timeout=600) as client:

        async def run() -> AsyncIterator[int]:
            rest = b""
            async with client.stream("POST", f"{url}/v1/chat/completions", json={}) as response:
                async for piece in response.aiter_bytes():
                    rest, tokens = _events_of(rest, piece)
                    yield tokens

        yield run


def _client(url: str, *, aiohttp: bool = False) -> Any:
    import openai

    http = openai.DefaultAioHttpClient() if aiohttp else None
    return openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", http_client=http)


def _sdk_chat(*, aiohttp: bool) -> Any:
    @asynccontextmanager
    async def path(url: str) -> AsyncGenerator[Call, None]:
        async with _client(url, aiohttp=aiohttp) as client:

            async def run() -> AsyncIterator[int]:
                create = client.chat.completions.create
                async for chunk in await create(model="m", messages=ASKED, stream=True):
                    yield bool(chunk.choices[0].delta.content)

            yield run

    return path


@asynccontextmanager
async def _sdk_responses(url: str) -> AsyncGenerator[Call, None]:
    async with _client(url) as client:

        async def run() -> AsyncIterator[int]:
            async for event in await client.responses.create(model="m", input="Hi", stream=True):
                yield event.type == "response.output_text.delta"

        yield run


@asynccontextmanager
async def _sdk_anthropic(url: str) -> AsyncGenerator[Call, None]:
    import anthropic

    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url) as client:

        async def run() -> AsyncIterator[int]:
            stream = await client.messages.create(
                model="m", max_tokens=9, messages=ASKED, stream=True
            )
            async for event in stream:
                yield event.type == "content_block_delta"

        yield run


@asynccontextmanager
async def _sdk_gemini(url: str) -> AsyncGenerator[Call, None]:
    from google import genai

    client = genai.Client(api_key=KEY, http_options=genai.types.HttpOptions(base_url=url))

    async def run() -> AsyncIterator[int]:
        stream = await client.aio.models.generate_content_stream(model="m", contents="Hi")
        async for _ in stream:
            yield 1

    yield run
    await client.aio.aclose()
    client.close()


@asynccontextmanager
async def _sdk_ollama(url: str) -> AsyncGenerator[Call, None]:
    import ollama

    client = ollama.AsyncClient(url)

    async def run() -> AsyncIterator[int]:
        async for part in await client.chat(model="m", messages=ASKED, stream=True):
            yield not part.done

    yield run


# -- frameworks, and our bridges to them


def _bridge(make: Callable[[str], Any]) -> tuple[Any, Any]:
    """Give the boundary and the whole path of a handler."""

    @asynccontextmanager
    async def boundary(url: str) -> AsyncGenerator[Call, None]:
        handler = make(url)
        asked = Run(
            run_id="r", chat_id="c", messages=HELLO, trigger="submit-message", message_id=None,
            response_message_id="a", user=None, metadata={},
        )  # fmt: skip

        async def run() -> AsyncIterator[int]:
            async for chunk in handler(asked):
                yield type(chunk) is TextDelta

        yield run

    @asynccontextmanager
    async def whole(url: str) -> AsyncGenerator[Call, None]:
        async with served(make(url)) as run:
            yield run

    return boundary, whole


def _pydantic_agent(url: str) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return Agent(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=_client(url))))


def _pydantic_ai_bridge(url: str) -> Any:
    from chat_transport_pydantic_ai import pydantic_ai_handler

    return pydantic_ai_handler(_pydantic_agent(url))


@asynccontextmanager
async def _pydantic_ai(url: str) -> AsyncGenerator[Call, None]:
    agent = _pydantic_agent(url)

    async def run() -> AsyncIterator[int]:
        async with agent.run_stream("Hi") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                yield 1

    yield run


def _pydantic_ui(agent: Any) -> Any:
    from pydantic_ai.ui.vercel_ai import VercelAIAdapter

    body = {"trigger": "submit-message", "id": "c", "messages": [HELLO[0].to_wire()]}
    request = VercelAIAdapter.build_run_input(json.dumps(body).encode())
    return VercelAIAdapter(agent, request, sdk_version=6)


@asynccontextmanager
async def _pydantic_ai_whole(url: str) -> AsyncGenerator[Call, None]:
    agent = _pydantic_agent(url)

    async def run() -> AsyncIterator[int]:
        adapter = _pydantic_ui(agent)
        async for text in adapter.encode_stream(adapter.run_stream()):
            yield text.encode().count(b"text-delta")

    yield run


async def _pydantic_ai_mapping(url: str) -> float:
    from time import process_time

    agent = _pydantic_agent(url)
    adapter = _pydantic_ui(agent)
    events = [event async for event in adapter.run_stream_native()]
    times: list[float] = []
    for _ in range(5):

        async def native() -> AsyncIterator[Any]:
            for event in events:
                yield event

        adapter = _pydantic_ui(agent)
        before = process_time()
        async for text in adapter.encode_stream(adapter.transform_stream(native())):
            text.encode()
        times.append(process_time() - before)
    return min(times) / len(events) * 1e6


def _agent(url: str) -> Any:
    import agents

    agents.set_tracing_disabled(disabled=True)
    model = agents.OpenAIResponsesModel(model="m", openai_client=_client(url))
    return agents.Agent(name="a", model=model)


def _agents_bridge(url: str) -> Any:
    from chat_transport_openai_agents import OpenAIAgent

    return OpenAIAgent(_agent(url))


@asynccontextmanager
async def _agents(url: str) -> AsyncGenerator[Call, None]:
    import agents

    agent = _agent(url)

    async def run() -> AsyncIterator[int]:
        async for event in agents.Runner.run_streamed(agent, "Hi").stream_events():
            is_raw = event.type == "raw_response_event"
            yield is_raw and event.data.type == "response.output_text.delta"

    yield run


async def _agents_mapping(url: str) -> float:
    import agents
    from chat_transport_openai_agents._events import AgentEvents

    result = agents.Runner.run_streamed(_agent(url), "Hi")
    events = [event async for event in result.stream_events()]

    def work() -> None:
        decoder = AgentEvents()
        for event in events:
            for chunk in decoder.feed(event):
                encode_sse(chunk)

    return best_us(work)


def _chat_openai(url: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="m", api_key=KEY, base_url=f"{url}/v1", stream_usage=False)


def _langchain_bridge(url: str) -> Any:
    from chat_transport_langchain import LangChainHandler

    return LangChainHandler(_chat_openai(url))


@asynccontextmanager
async def _langchain(url: str) -> AsyncGenerator[Call, None]:
    model = _chat_openai(url)

    async def run() -> AsyncIterator[int]:
        async for chunk in model.astream("Hi"):
            yield bool(chunk.content)

    yield run


async def _langchain_mapping(url: str) -> float:
    from chat_transport_langchain._events import LangChainEvents

    stream = _chat_openai(url).astream_events("Hi", version="v2")
    events = [event async for event in stream]

    def work() -> None:
        decoder = LangChainEvents()
        for event in events:
            for chunk in decoder.feed(event):
                encode_sse(chunk)

    return best_us(work)


def litellm_rows() -> list[Row]:
    """Give LiteLLM itself; its environment is one of its own, for it pins openai<3."""
    return [Row("litellm", _litellm)] if installed("litellm") else []


@asynccontextmanager
async def _litellm(url: str) -> AsyncGenerator[Call, None]:
    import litellm

    # As our adapter asks: usage costs LiteLLM a tenth more of every token.
    asked = {"stream": True, "stream_options": {"include_usage": True}}

    async def run() -> AsyncIterator[int]:
        stream = await litellm.acompletion(
            model="openai/gpt-4o", api_key=KEY, api_base=f"{url}/v1", messages=ASKED, **asked
        )
        async for chunk in stream:
            yield bool(chunk.choices and chunk.choices[0].delta.content)

    yield run
    await anyio.lowlevel.checkpoint()
