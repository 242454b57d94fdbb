from __future__ import annotations

import inspect
from importlib.metadata import entry_points

import anyio
import pytest
from chat_transport_openai import (
    ClientOptions,
    OpenAIChat,
    OpenAIResponses,
    create,
    create_chat,
)
from chat_transport_openai._adapter import _OpenAIAdapter

from chat_transport.chunks import (
    Error,
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
)
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, replay_server

pytestmark = pytest.mark.anyio

HELLO = [UIMessage.user("Hi", id="u")]
CREATED = (
    b'data: {"type":"response.created","response":{"id":"resp_1","model":"m","created_at":0}}\n\n'
)
ADDED = (
    b'data: {"type":"response.output_item.added","output_index":0,'
    b'"item":{"type":"message","id":"msg_1"}}\n\n'
)
WORD = b'data: {"type":"response.output_text.delta","output_index":0,"item_id":"msg_1","delta":"a"}\n\n'


def responses(url: str, **options: object) -> OpenAIResponses:
    return OpenAIResponses("m", api_key="k", base_url=f"{url}/v1", max_retries=0, **options)  # type: ignore[arg-type]  # test data


async def collect(adapter: OpenAIResponses | OpenAIChat, **options: object):
    with anyio.fail_after(10):
        try:
            return [chunk async for chunk in adapter.stream(HELLO, **options)]  # type: ignore[arg-type]  # test data
        finally:
            await adapter.aclose()


# httpx2 drops its generators where it is left in mid-body, which trio tells of.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["leave", "cancel"])
@pytest.mark.parametrize("kind", [OpenAIResponses, OpenAIChat])
async def test_leaving_the_stream_closes_the_providers_connection(how: Way, kind: type):
    chat_word = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    pieces = [CREATED, ADDED, WORD] if kind is OpenAIResponses else [chat_word]
    async with replay_server(Answer(pieces=pieces, hang_after=len(pieces))) as server:
        adapter = kind("m", api_key="k", base_url=f"{server.url}/v1")
        assert await leave(server, adapter.stream(HELLO), by=how) < CLOSED_WITHIN_S
        await adapter.aclose()


async def test_an_error_before_the_stream_is_one_chunk_in_the_providers_words():
    body = b'{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error"}}'
    refusal = Answer(content_type="application/json", pieces=[body], status=401)
    async with replay_server(refusal) as server:
        assert await collect(responses(server.url)) == [
            Error(error_text="Incorrect API key provided.")
        ]


async def test_a_server_that_is_not_there_is_one_error():
    chunks = await collect(responses("http://127.0.0.1:9"))
    assert [type(chunk) for chunk in chunks] == [Error]


async def test_a_connection_cut_in_mid_stream_is_an_error_inside_a_closed_step():
    async with replay_server(Answer(pieces=[CREATED, ADDED, WORD], cut_after=3)) as server:
        chunks = await collect(responses(server.url))
    assert [type(chunk) for chunk in chunks] == [
        StartStep,
        TextStart,
        TextDelta,
        Error,
        TextEnd,
        FinishStep,
        Finish,
    ]
    assert chunks[-1].finish_reason == "error"


async def test_a_stream_without_its_terminal_event_is_interrupted():
    async with replay_server(Answer(pieces=[CREATED, ADDED, WORD])) as server:
        chunks = await collect(responses(server.url))
    assert chunks[-1].finish_reason == "interrupted"
    assert chunks[-1].message_metadata["responseId"] == "resp_1"


async def test_an_event_that_is_not_json_is_an_error():
    async with replay_server(Answer(pieces=[CREATED, b"data: {oops\n\n"])) as server:
        chunks = await collect(responses(server.url))
    assert [type(chunk) for chunk in chunks] == [Error]
    assert "not JSON" in chunks[0].error_text


@pytest.mark.parametrize(
    ("kind", "event", "hint"),
    [
        (OpenAIResponses, b'{"choices":[{"index":0,"delta":{"content":"a"}}]}', "OpenAIChat"),
        (OpenAIChat, b'{"type":"response.created","response":{}}', "OpenAIResponses"),
    ],
)
async def test_the_wrong_api_is_named(kind: type, event: bytes, hint: str):
    async with replay_server(Answer(pieces=[b"data: " + event + b"\n\n"])) as server:
        chunks = await collect(kind("m", api_key="k", base_url=f"{server.url}/v1"))
    error = next(chunk for chunk in chunks if isinstance(chunk, Error))
    assert hint in error.error_text


async def test_the_request_carries_settings_headers_and_options():
    settings = ModelSettings(
        temperature=0.5,
        headers={"x-team": "blue"},
        timeout_s=5,
        provider_options={"openai": {"store": False, "metadata": {"a": "b"}}},
    )
    async with replay_server(Answer(pieces=[CREATED])) as server:
        await collect(responses(server.url), settings=settings)
    (request,) = server.requests
    assert request.path == "/v1/responses"
    assert "x-team: blue" in request.head.lower()
    assert request.json == {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "stream": True,
        "temperature": 0.5,
        "store": False,
        "metadata": {"a": "b"},
    }


async def test_a_client_that_was_handed_in_stays_open():
    import openai

    async with replay_server(Answer(pieces=[CREATED, ADDED, WORD])) as server:
        client = openai.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1")
        await collect(OpenAIResponses("m", client=client))
        await collect(OpenAIResponses("m", client=client))
        assert len(server.requests) == 2
        await client.close()


async def test_the_sdks_event_objects_give_the_same_chunks():
    import openai

    async with replay_server(Answer(pieces=[CREATED, ADDED, WORD])) as server:
        fast = await collect(responses(server.url))
        client = openai.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1")
        stream = await client.responses.create(model="m", input="Hi", stream=True)
        slow = [chunk async for chunk in OpenAIResponses("m").from_events(stream)]
        await client.close()
    assert slow == fast


async def test_the_sdks_chat_objects_give_the_same_chunks():
    import openai

    pieces = [
        (
            b'data: {"id":"c","model":"m","object":"chat.completion.chunk","created":0,'
            b'"choices":[{"index":0,"delta":{"content":"a","reasoning_content":"r"}}]}\n\n'
        ),
        (
            b'data: {"id":"c","model":"m","object":"chat.completion.chunk","created":0,'
            b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
        ),
    ]
    async with replay_server(Answer(pieces=pieces)) as server:
        fast = await collect(OpenAIChat("m", api_key="k", base_url=f"{server.url}/v1"))
        client = openai.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1")
        stream = await client.chat.completions.create(model="m", messages=[], stream=True)
        slow = [chunk async for chunk in OpenAIChat("m").from_events(stream)]
        await client.close()
    assert slow == fast
    assert fast[-1].finish_reason == "stop"


def test_the_command_line_finds_both_by_entry_point():
    found = {entry.name: entry.load() for entry in entry_points(group="chat_transport.adapters")}
    assert found["openai"] is create
    assert found["openai-chat"] is create_chat
    assert create("gpt-5.4").model == "gpt-5.4"
    assert create_chat("gpt-4o").provider == "openai"


@pytest.mark.parametrize("kind", [OpenAIResponses, OpenAIChat])
def test_an_argument_that_is_not_known_is_refused_by_name(kind: type):
    with pytest.raises(TypeError, match="api_kye"):
        kind("m", api_kye="k")


def test_both_take_what_their_options_say():
    taken = inspect.signature(_OpenAIAdapter).parameters
    assert set(taken) == {"model", *ClientOptions.__annotations__}
    assert all(one.default is not one.empty for name, one in taken.items() if name != "model")
