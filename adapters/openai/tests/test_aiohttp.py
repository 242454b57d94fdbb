"""The client that we make over aiohttp does what the one over httpx does: stop, errors, retries, end."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging

import anyio
import anyio.abc
import pytest
from chat_transport_openai import OpenAIChat, OpenAIResponses

from chat_transport.chunks import Error, Finish, TextDelta, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.provider_http import AiohttpTransport
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

HELLO = [UIMessage.user("Hi", id="u")]
WORD = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
BOTH = pytest.mark.parametrize("aiohttp", [True, False], ids=["aiohttp", "httpx"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def chat(url: str, *, aiohttp: bool | None = None, max_retries: int = 0) -> OpenAIChat:
    return OpenAIChat(
        "m", api_key="k", base_url=f"{url}/v1", max_retries=max_retries, aiohttp=aiohttp
    )


async def collect(adapter: OpenAIChat) -> list[UIMessageChunk]:
    with anyio.fail_after(10):
        try:
            return [chunk async for chunk in adapter.stream(HELLO)]
        finally:
            await adapter.aclose()


@pytest.mark.anyio
async def test_it_is_used_by_default_and_can_be_turned_off():
    for kind in (OpenAIChat, OpenAIResponses):
        for choice, expected in ((None, True), (True, True), (False, False)):
            adapter = kind("m", api_key="k", aiohttp=choice)
            assert isinstance(adapter.client._client._transport, AiohttpTransport) is expected
            await adapter.aclose()


@BOTH
@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.anyio
async def test_leaving_and_cancelling_close_the_providers_connection(how: Way, *, aiohttp: bool):
    async with replay_server(Answer(pieces=[WORD], hang_after=1)) as server:
        adapter = chat(server.url, aiohttp=aiohttp)
        assert await leave(server, adapter.stream(HELLO), by=how) < CLOSED_WITHIN_S
        await adapter.aclose()


@pytest.mark.anyio
async def test_a_stream_goes_on_though_its_adapter_is_dropped():
    async with replay_server(Answer(pieces=[WORD, WORD, STOP], delay_s=0.02)) as server:
        chunks: list[UIMessageChunk] = []
        with anyio.fail_after(10):
            async for chunk in chat(server.url, aiohttp=True).stream(HELLO):
                gc.collect()
                chunks.append(chunk)
    assert chunks[-1].finish_reason == "stop"


@BOTH
@pytest.mark.anyio
async def test_a_refusal_is_told_in_the_providers_words(*, aiohttp: bool):
    body = b'{"error":{"message":"Incorrect API key provided."}}'
    refusal = Answer(content_type="application/json", pieces=[body], status=401)
    async with replay_server(refusal) as server:
        chunks = await collect(chat(server.url, aiohttp=aiohttp))
    assert chunks == [Error(error_text="Incorrect API key provided.")]


@BOTH
@pytest.mark.anyio
async def test_a_failure_is_retried_by_the_sdk(*, aiohttp: bool):
    broken = Answer(content_type="application/json", pieces=[b"{}"], status=503)
    async with replay_server(broken, Answer(pieces=[WORD, STOP])) as server:
        chunks = await collect(chat(server.url, aiohttp=aiohttp, max_retries=1))
        assert len(server.requests) == 2
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "stop"


@BOTH
@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_one_error(*, aiohttp: bool):
    chunks = await collect(chat("http://127.0.0.1:9", aiohttp=aiohttp))
    assert chunks == [Error(error_text="Connection error.")]


@BOTH
@pytest.mark.anyio
async def test_a_connection_cut_in_mid_stream_is_an_error(*, aiohttp: bool):
    async with replay_server(Answer(pieces=[WORD, WORD], cut_after=2)) as server:
        chunks = await collect(chat(server.url, aiohttp=aiohttp))
    (error,) = [chunk for chunk in chunks if isinstance(chunk, Error)]
    assert error.error_text.startswith("the connection to the provider was lost: ")
    assert chunks[-1].finish_reason == "error"


@BOTH
@pytest.mark.anyio
async def test_a_compressed_body_is_read(*, aiohttp: bool):
    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            body = gzip.compress(WORD + STOP)
            head = f"content-encoding: gzip\r\ncontent-length: {len(body)}\r\n"
            await stream.send(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            chunks = await collect(chat(f"http://127.0.0.1:{port}", aiohttp=aiohttp))
            tasks.cancel_scope.cancel()
    assert [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)] == ["a"]


def test_a_program_that_never_closes_the_adapter_ends_quietly(caplog: pytest.LogCaptureFixture):
    adapters: list[OpenAIChat] = []

    async def use() -> None:
        async with replay_server(Answer(pieces=[WORD, STOP])) as server:
            adapters.append(chat(server.url, aiohttp=True))
            with anyio.fail_after(10):
                assert [chunk async for chunk in adapters[-1].stream(HELLO)]

    with caplog.at_level(logging.WARNING):
        asyncio.run(use())
        adapters.clear()
    assert caplog.messages == []


def test_one_adapter_serves_two_loops_one_after_the_other():
    async def use(adapter: OpenAIChat) -> None:
        async with replay_server(Answer(pieces=[WORD, STOP])) as server:
            adapter.client.base_url = f"{server.url}/v1"
            with anyio.fail_after(10):
                chunks = [chunk async for chunk in adapter.stream(HELLO)]
        assert chunks[-1].finish_reason == "stop"

    adapter = chat("http://127.0.0.1:9", aiohttp=True)
    asyncio.run(use(adapter))
    asyncio.run(use(adapter))
