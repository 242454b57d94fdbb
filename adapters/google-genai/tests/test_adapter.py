from __future__ import annotations

import json
from importlib.metadata import entry_points

import anyio
import httpx2
import pytest
from chat_transport_google_genai import Gemini, create
from google import genai

from chat_transport.chunks import Error, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ToolSpec
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

pytestmark = [
    pytest.mark.anyio,
    # google-genai uses aiohttp where it is installed, and still inherits from its session.
    pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning"),
]

HELLO = [UIMessage.user("Hi", id="u")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def piece(**candidate: object) -> bytes:
    body = {"responseId": "r", "modelVersion": "m", "candidates": [candidate]}
    return f"data: {json.dumps(body)}\r\n\r\n".encode()


WORD = piece(content={"parts": [{"text": "a"}]})
STOP = piece(content={"parts": [{"text": "b"}]}, finishReason="STOP")


async def collect(adapter: Gemini, **options: object) -> list[UIMessageChunk]:
    with anyio.fail_after(10):
        try:
            return [chunk async for chunk in adapter.stream(HELLO, **options)]  # type: ignore[arg-type]  # test data
        finally:
            await adapter.aclose()


def adapter(url: str) -> Gemini:
    return Gemini("gemini-3-pro", api_key="k", base_url=url)


@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.parametrize("over", ["the SDK's choice", "httpx2"])
async def test_leaving_the_stream_closes_the_providers_connection(how: Way, over: str):
    async with replay_server(Answer(pieces=[WORD], hang_after=1)) as server:
        options = genai.types.HttpOptions(base_url=server.url)
        if over == "httpx2":
            if "httpx_async_client" not in genai.types.HttpOptions.model_fields:
                pytest.skip("this google-genai takes no client")
            options.httpx_async_client = httpx2.AsyncClient()
        client = genai.Client(api_key="k", http_options=options)
        model = Gemini("gemini-3-pro", client=client)
        assert await leave(server, model.stream(HELLO), by=how) < CLOSED_WITHIN_S
        await client.aio.aclose()
        client.close()


async def test_a_refused_request_is_one_error_in_the_providers_words():
    body = b'{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}'
    refusal = Answer(content_type="application/json", pieces=[body], status=400)
    async with replay_server(refusal) as server:
        assert await collect(adapter(server.url)) == [Error(error_text="API key not valid.")]


async def test_a_stream_without_its_terminal_event_is_interrupted():
    async with replay_server(Answer(pieces=[WORD])) as server:
        chunks = await collect(adapter(server.url))
    assert grammar_faults(chunks) == []
    assert chunks[-1].finish_reason == "interrupted"


async def test_a_connection_cut_in_mid_stream_is_an_error_inside_a_closed_step():
    async with replay_server(Answer(pieces=[WORD, STOP], cut_after=1)) as server:
        chunks = await collect(adapter(server.url))
    assert grammar_faults(chunks) == []
    assert any(isinstance(chunk, Error) for chunk in chunks)
    assert chunks[-1].finish_reason == "error"


async def test_the_request_carries_tools_and_settings():
    settings = ModelSettings(
        instructions="Be brief.",
        temperature=0,
        reasoning="low",
        tool_choice="weather",
        headers={"x-team": "blue"},
        provider_options={"google": {"cachedContent": "c"}},
    )
    async with replay_server(Answer(pieces=[STOP])) as server:
        await collect(adapter(server.url), settings=settings, tools=[ToolSpec(name="weather")])
    (request,) = server.requests
    assert request.path.endswith("/models/gemini-3-pro:streamGenerateContent?alt=sse")
    assert "x-team: blue" in request.head.lower()
    assert request.json == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0,
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "low"},
        },
        "tools": [{"functionDeclarations": [{"name": "weather", "description": ""}]}],
        "toolConfig": {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}
        },
        "cachedContent": "c",
    }


async def test_the_sdks_objects_give_the_same_words():
    async with replay_server(Answer(pieces=[WORD, STOP])) as server:
        fast = await collect(adapter(server.url))
        options = genai.types.HttpOptions(base_url=server.url)
        client = genai.Client(api_key="k", http_options=options)
        stream = await client.aio.models.generate_content_stream(model="m", contents="Hi")
        slow = [chunk async for chunk in adapter(server.url).from_events(stream)]
        await client.aio.aclose()
        client.close()
    assert slow[:-1] == fast[:-1]
    assert slow[-1].finish_reason == "stop"


def test_the_command_line_finds_it_by_entry_point():
    (found,) = entry_points(group="chat_transport.adapters", name="google-genai")
    assert found.load() is create
    assert create("gemini-3-pro").model == "gemini-3-pro"
