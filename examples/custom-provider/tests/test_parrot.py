"""The kit on a stranger's adapter: found by entry point, replayed, cut, left and refused."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import pytest

from chat_transport.chunks import Error, TextDelta
from chat_transport.messages import UIMessage
from chat_transport.testing.fixtures import cut_faults, replay
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.leaving import leave_faults
from chat_transport.testing.replay import Answer, Recording, replay_server

pytest.importorskip("parrot_provider", reason="install examples/custom-provider first")

pytestmark = pytest.mark.anyio

LINES = [{"say": "polly "}, {"say": "wants é"}, {"end": True}]
RECORDING = Recording(api="parrot", name="polly", events=[json.dumps(line) for line in LINES])
HELLO = [UIMessage.user("Hi", id="u")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def find(group: str):
    (entry,) = entry_points(group=group, name="parrot")
    return entry.load()


async def test_the_command_line_finds_it():
    assert find("chat_transport.adapters")("polly").model == "polly"


@pytest.mark.parametrize("seed", range(5))
async def test_a_recording_split_at_random_bytes(seed: int):
    chunks = await replay(find("chat_transport.recordings")(), RECORDING, seed=seed)
    assert grammar_faults(chunks) == []
    words = "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))
    assert words == "polly wants é"


async def test_a_recording_cut_after_every_event():
    assert list(cut_faults(find("chat_transport.recordings")(), RECORDING)) == []


async def test_leaving_closes_the_connection():
    assert await leave_faults(find("chat_transport.recordings")(), RECORDING) == []


async def test_a_refusal_is_one_error():
    recipe = find("chat_transport.recordings")()
    async with replay_server(Answer(status=500)) as server:
        chunks = [c async for c in recipe.adapter(server.url, RECORDING).stream(HELLO)]
    assert [type(chunk) for chunk in chunks] == [Error]
