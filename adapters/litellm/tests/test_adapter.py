"""The real litellm against a local server; runs where the SDK is installed."""

from __future__ import annotations

import json
import os
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import anyio
import pytest
from chat_transport_litellm import LiteLLM, create

from chat_transport.chunks import Error, TextDelta, UIMessageChunk
from chat_transport.errors import ConnectFailed
from chat_transport.messages import UIMessage
from chat_transport.testing.fixtures import load_recordings
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave
from chat_transport.testing.replay import Answer, random_splits, replay_server

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

needs_sdk = pytest.mark.skipif(
    find_spec("litellm") is None,
    reason="litellm pins openai<3 and is not installed here; `make test` runs this file in "
    ".venv-litellm too",
)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import phones home
HELLO = [UIMessage.user("Hi", id="u")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def piece(**delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    body = {"id": "c", "model": "m", "object": "chat.completion.chunk", "created": 0}
    return f"data: {json.dumps(body | {'choices': [choice]})}\n\n".encode()


def adapter(url: str) -> LiteLLM:
    return LiteLLM("openai/gpt-4o", api_key="k", api_base=f"{url}/v1")


async def collect(url: str) -> list[UIMessageChunk]:
    with anyio.fail_after(30):
        return [chunk async for chunk in adapter(url).stream(HELLO)]


def test_the_command_line_finds_it_by_entry_point():
    (found,) = entry_points(group="chat_transport.adapters", name="litellm")
    assert found.load() is create
    assert create("groq/x").model == "groq/x"


@pytest.mark.skipif(find_spec("litellm") is not None, reason="litellm is installed here")
async def test_without_the_sdk_the_remedy_is_named():
    with pytest.raises(ConnectFailed, match=r"chat-transport-litellm\[sdk\]"):
        await anext(create("groq/x").stream(HELLO))


@needs_sdk
async def test_words_come_through():
    answer = Answer(pieces=[piece(content="a"), piece(content="b")], tail=b"data: [DONE]\n\n")
    async with replay_server(answer) as server:
        chunks = await collect(server.url)
    assert grammar_faults(chunks) == []
    assert "".join(c.delta for c in chunks if isinstance(c, TextDelta)) == "ab"


@pytest.mark.parametrize("how", ["leave", "cancel"])
@needs_sdk
async def test_leaving_the_stream_closes_the_providers_connection(how: Way):
    async with replay_server(Answer(pieces=[piece(content="a")], hang_after=1)) as server:
        assert await leave(server, adapter(server.url).stream(HELLO), by=how) < CLOSED_WITHIN_S


@needs_sdk
async def test_a_refused_request_is_one_error():
    body = b'{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error"}}'
    refusal = Answer(content_type="application/json", pieces=[body], status=401)
    async with replay_server(refusal) as server:
        (error,) = await collect(server.url)
    assert isinstance(error, Error)
    assert "Incorrect API key" in error.error_text


@needs_sdk
async def test_recorded_streams_obey_the_grammar(shared_folder: Path):
    for recording in load_recordings(shared_folder / "fixtures" / "openai-chat"):
        pieces = [f"data: {event}\n\n".encode() for event in recording.events]
        answer = Answer(pieces=pieces, tail=b"data: [DONE]\n\n", split=random_splits(1))
        async with replay_server(answer) as server:
            assert grammar_faults(await collect(server.url)) == [], recording.name
