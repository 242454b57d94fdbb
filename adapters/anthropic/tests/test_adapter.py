from __future__ import annotations

import json
from importlib.metadata import entry_points

import anthropic  # two seconds, or ten on a busy machine: not inside a test's deadline
import anyio
import pytest
from chat_transport_anthropic import AnthropicMessages, create

from chat_transport.chunks import Error, Finish, FinishStep, StartStep, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.provider_http import AiohttpTransport
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

pytestmark = pytest.mark.anyio

HELLO = [UIMessage.user("Hi", id="u")]


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = event("message_start", message={"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}})
TEXT = [
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
    event("content_block_stop", index=0),
]


def stopped(reason: str) -> list[bytes]:
    delta = event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 1})
    return [delta, event("message_stop")]


async def collect(adapter: AnthropicMessages, **options: object) -> list[UIMessageChunk]:
    with anyio.fail_after(10):
        try:
            return [chunk async for chunk in adapter.stream(HELLO, **options)]  # type: ignore[arg-type]  # test data
        finally:
            await adapter.aclose()


def adapter(url: str, *, aiohttp: bool | None = None) -> AnthropicMessages:
    return AnthropicMessages(
        "claude-sonnet-5", api_key="k", base_url=url, max_retries=0, aiohttp=aiohttp
    )


# httpx2 drops its generators where it is left in mid-body, which trio tells of.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.parametrize("aiohttp", [None, False], ids=["any", "httpx"])
async def test_leaving_the_stream_closes_the_providers_connection(
    how: Way, *, aiohttp: bool | None
):
    async with replay_server(Answer(pieces=[START, *TEXT[:2]], hang_after=3)) as server:
        model = adapter(server.url, aiohttp=aiohttp)
        assert await leave(server, model.stream(HELLO), by=how) < CLOSED_WITHIN_S
        await model.aclose()


async def test_aiohttp_is_used_on_asyncio(anyio_backend: str):
    for choice, expected in ((None, anyio_backend == "asyncio"), (False, False)):
        model = adapter("http://127.0.0.1:9", aiohttp=choice)
        assert isinstance(model.client._client._transport, AiohttpTransport) is expected
        await model.aclose()


@pytest.mark.parametrize("aiohttp", [None, False], ids=["any", "httpx"])
async def test_a_server_that_is_not_there_is_one_error(*, aiohttp: bool | None):
    chunks = await collect(adapter("http://127.0.0.1:9", aiohttp=aiohttp))
    assert chunks == [Error(error_text="Connection error.")]


async def test_a_refused_request_is_one_error_in_the_providers_words():
    body = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'
    refusal = Answer(content_type="application/json", pieces=[body], status=401)
    async with replay_server(refusal) as server:
        assert await collect(adapter(server.url)) == [Error(error_text="invalid x-api-key")]


async def test_a_paused_turn_goes_on_as_a_further_step():
    first = Answer(pieces=[START, *TEXT, *stopped("pause_turn")])
    second = Answer(pieces=[START.replace(b"msg_1", b"msg_2"), *TEXT, *stopped("end_turn")])
    async with replay_server(first, second) as server:
        chunks = await collect(adapter(server.url))
    assert grammar_faults(chunks) == []
    assert sum(isinstance(chunk, StartStep) for chunk in chunks) == 2
    assert sum(isinstance(chunk, FinishStep) for chunk in chunks) == 2
    assert [c.finish_reason for c in chunks if isinstance(c, Finish)] == ["stop"]
    assert server.requests[1].json["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
    ]


async def test_a_stream_without_its_terminal_event_is_interrupted():
    async with replay_server(Answer(pieces=[START, *TEXT[:2]])) as server:
        chunks = await collect(adapter(server.url))
    assert grammar_faults(chunks) == []
    assert chunks[-1].finish_reason == "interrupted"


async def test_the_request_carries_tools_settings_and_betas():
    settings = ModelSettings(
        instructions="Be brief.",
        reasoning="low",
        tool_choice="weather",
        provider_options={"anthropic": {"betas": ["b1"], "container": "c"}},
    )
    tools = [
        ToolSpec(name="weather", input_schema={"type": "object"}),
        ProviderTool(id="anthropic.web_search_20250305", name="web_search", args={"max_uses": 1}),
    ]
    async with replay_server(Answer(pieces=[START, *stopped("end_turn")])) as server:
        await collect(adapter(server.url), settings=settings, tools=tools)
    (request,) = server.requests
    assert request.path == "/v1/messages"
    assert "anthropic-beta: b1" in request.head.lower()
    assert request.json == {
        "model": "claude-sonnet-5",
        "max_tokens": 128000,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tools": [
            {"name": "weather", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
        ],
        "tool_choice": {"type": "tool", "name": "weather"},
        "container": "c",
        "stream": True,
    }


async def test_the_sdks_raw_events_give_the_same_chunks():
    async with replay_server(Answer(pieces=[START, *TEXT, *stopped("end_turn")])) as server:
        fast = await collect(adapter(server.url))
        client = anthropic.AsyncAnthropic(api_key="k", base_url=server.url)
        stream = await client.messages.create(model="m", max_tokens=1, messages=[], stream=True)
        slow = [chunk async for chunk in adapter(server.url).from_events(stream)]
        await client.close()
    assert [chunk for chunk in slow if chunk.type != "custom"] == [
        chunk for chunk in fast if chunk.type != "custom"
    ]


def test_the_command_line_finds_it_by_entry_point():
    (found,) = entry_points(group="chat_transport.adapters", name="anthropic")
    assert found.load() is create
    assert create("claude-sonnet-5").model == "claude-sonnet-5"
