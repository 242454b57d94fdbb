from __future__ import annotations

import json
from importlib.metadata import entry_points

import anyio
import pytest
from chat_transport_ollama import Ollama, create

from chat_transport.chunks import (
    Error,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolInputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import FilePart, UIMessage
from chat_transport.model import ModelSettings, ToolSpec
from chat_transport.provider_http import AiohttpTransport
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, random_splits, replay_server

pytestmark = pytest.mark.anyio

HELLO = [UIMessage.user("Hi", id="u")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def record(done: str | None = None, **message: object) -> bytes:
    fields: dict[str, object] = {"model": "m", "message": {"role": "assistant", **message}}
    fields |= {"done": False} if done is None else {"done": True, "done_reason": done}
    return json.dumps(fields).encode() + b"\n"


async def collect(url: str, messages: list[UIMessage] = HELLO, **options: object):
    adapter = Ollama("m", host=url)
    with anyio.fail_after(10):
        try:
            return [chunk async for chunk in adapter.stream(messages, **options)]  # type: ignore[arg-type]  # test data
        finally:
            await adapter.aclose()


def of(kind: type[UIMessageChunk], chunks: list[UIMessageChunk]) -> list[UIMessageChunk]:
    return [chunk for chunk in chunks if isinstance(chunk, kind)]


async def test_thinking_words_and_calls():
    pieces = [
        record(thinking="hm"),
        record(content="a é"),
        record(tool_calls=[{"function": {"name": "w", "arguments": {"city": "Oslo"}}}]),
        record(done="stop", content=""),
    ]
    async with replay_server(Answer(pieces=pieces, split=random_splits(3))) as server:
        chunks = await collect(server.url)
    assert grammar_faults(chunks) == []
    assert of(ReasoningDelta, chunks)[0].delta == "hm"
    assert of(TextDelta, chunks)[0].delta == "a é"
    assert of(ToolInputAvailable, chunks)[0].input == {"city": "Oslo"}
    assert of(Finish, chunks)[0].finish_reason == "tool-calls"


@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.parametrize("aiohttp", [None, False], ids=["any", "httpx"])
async def test_leaving_the_stream_closes_the_providers_connection(
    how: Way, *, aiohttp: bool | None
):
    async with replay_server(Answer(pieces=[record(content="a")], hang_after=1)) as server:
        adapter = Ollama("m", host=server.url, aiohttp=aiohttp)
        assert await leave(server, adapter.stream(HELLO), by=how) < CLOSED_WITHIN_S
        await adapter.aclose()


async def test_aiohttp_is_used_unless_a_proxy_is_set(monkeypatch: pytest.MonkeyPatch):
    for choice, expected in ((None, True), (False, False)):
        adapter = Ollama("m", aiohttp=choice)
        assert isinstance(adapter.client._client._transport, AiohttpTransport) is expected
        await adapter.aclose()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    adapter = Ollama("m")
    assert not isinstance(adapter.client._client._transport, AiohttpTransport)
    await adapter.aclose()


async def test_errors_before_and_in_the_stream():
    refusal = Answer(
        content_type="application/json", pieces=[b'{"error":"no such model"}'], status=404
    )
    async with replay_server(refusal) as server:
        assert await collect(server.url) == [Error(error_text="no such model")]
    broken = Answer(pieces=[record(content="a"), b'{"error":"out of memory"}\n'])
    async with replay_server(broken) as server:
        chunks = await collect(server.url)
    assert grammar_faults(chunks) == []
    assert of(Error, chunks) == [Error(error_text="out of memory")]


async def test_a_record_cut_in_the_middle_is_an_interruption():
    async with replay_server(Answer(pieces=[record(content="a"), b'{"model":"m","mess'])) as server:
        chunks = await collect(server.url)
    assert grammar_faults(chunks) == []
    assert of(Finish, chunks)[0].finish_reason == "interrupted"


async def test_the_request_carries_images_tools_and_settings():
    image = FilePart(media_type="image/png", url="data:image/png;base64,AAAA")
    messages = [UIMessage.user("Look", id="u", files=[image])]
    settings = ModelSettings(temperature=0, reasoning="high", max_output_tokens=5)
    async with replay_server(Answer(pieces=[record(done="stop")])) as server:
        await collect(server.url, messages, settings=settings, tools=[ToolSpec(name="w")])
    (request,) = server.requests
    assert request.path == "/api/chat"
    assert request.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "Look", "images": ["AAAA"]}],
        "stream": True,
        "think": "high",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "w",
                    "description": "",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
        "options": {"temperature": 0, "num_predict": 5},
    }


async def test_a_file_by_address_is_refused_with_the_remedy():
    image = FilePart(media_type="image/png", url="https://example.com/a.png")
    with pytest.raises(LocalProtocolError, match="data URLs"):
        await collect("http://127.0.0.1:9", [UIMessage.user("Look", id="u", files=[image])])


async def test_the_sdks_objects_give_the_same_chunks():
    import ollama

    pieces = [record(content="a"), record(done="stop")]
    async with replay_server(Answer(pieces=pieces)) as server:
        fast = await collect(server.url)
        client = ollama.AsyncClient(host=server.url)
        stream = await client.chat(model="m", messages=[], stream=True)
        slow = [chunk async for chunk in Ollama("m").from_events(stream)]
        await client._client.aclose()
    assert [chunk.type for chunk in slow] == [chunk.type for chunk in fast]


def test_the_command_line_finds_it_by_entry_point():
    (found,) = entry_points(group="chat_transport.adapters", name="ollama")
    assert found.load() is create
    assert create("llama3.3").model == "llama3.3"
