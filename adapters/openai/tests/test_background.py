"""Background responses through the real SDK: broken, taken up, given up, restarted, stopped."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from chat_transport_openai import Background, OpenAIResponses

from chat_transport.chunks import Error, Finish, MessageMetadata, TextDelta, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings
from chat_transport.testing.grammar import grammar_faults
from chat_transport.testing.replay import Answer, ReplayServer, replay_server

pytestmark = [
    pytest.mark.anyio,
    # httpx2 drops its generators where it is left in mid-body, which trio tells of.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HELLO = [UIMessage.user("Hi", id="u")]
IN_BACKGROUND = ModelSettings(provider_options={"openai": {"background": True}})
QUICK = Background(attempts=3, delay_s=0.001)


def event(sequence: int, kind: str, **fields: Any) -> bytes:
    body = {"type": f"response.{kind}", "sequence_number": sequence, **fields}
    return f"data: {json.dumps(body)}\n\n".encode()


def word(sequence: int, text: str) -> bytes:
    return event(sequence, "output_text.delta", output_index=0, item_id="m", delta=text)


EVENTS = [
    event(0, "created", response={"id": "resp_1", "model": "m", "created_at": 0}),
    event(1, "output_item.added", output_index=0, item={"type": "message", "id": "m"}),
    word(2, "a"),
    word(3, "b"),
    word(4, "c"),
    event(5, "output_item.done", output_index=0, item={"type": "message", "id": "m"}),
    event(6, "completed", response={"id": "resp_1", "status": "completed"}),
]
FIRST = Answer(pieces=EVENTS[:4], cut_after=4)
CANCELLED = Answer(content_type="application/json", pieces=[b'{"id":"resp_1"}'])


def model(server: ReplayServer, policy: Background = QUICK) -> OpenAIResponses:
    url = f"{server.url}/v1"
    return OpenAIResponses("m", api_key="k", base_url=url, max_retries=0, background=policy)


async def told(server: ReplayServer, policy: Background = QUICK) -> list[UIMessageChunk]:
    adapter = model(server, policy)
    with anyio.fail_after(10):
        chunks = [one async for one in adapter.stream(HELLO, settings=IN_BACKGROUND)]
    await adapter.aclose()
    assert grammar_faults(chunks) == []
    return chunks


def words(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


def paths(server: ReplayServer) -> list[str]:
    return [request.path for request in server.requests]


def after(sequence: int) -> str:
    return f"/v1/responses/resp_1?starting_after={sequence}&stream=true"


async def test_a_broken_connection_is_taken_up_and_nothing_is_said_twice():
    rest = Answer(pieces=EVENTS[2:])  # begins before where we are
    async with replay_server(FIRST, rest) as server:
        chunks = await told(server)
    assert words(chunks) == "abc"
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "stop"
    assert paths(server) == ["/v1/responses", after(3)]


async def test_a_body_that_ends_early_is_taken_up_too():
    async with replay_server(Answer(pieces=EVENTS[:3]), Answer(pieces=EVENTS[3:])) as server:
        assert words(await told(server)) == "abc"


async def test_attempts_count_from_the_last_new_event():
    one_each = [Answer(pieces=[one]) for one in EVENTS[1:]]
    async with replay_server(Answer(pieces=EVENTS[:1]), *one_each) as server:
        assert words(await told(server, Background(attempts=1, delay_s=0.001))) == "abc"
    assert paths(server)[1:] == [after(sequence) for sequence in range(6)]


async def test_without_new_events_it_is_given_up_as_interrupted():
    nothing = Answer(pieces=[])
    async with replay_server(Answer(pieces=EVENTS[:3]), nothing) as server:
        chunks = await told(server)
    assert len(server.requests) == 1 + 3
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "interrupted"


async def test_a_server_that_stumbles_is_asked_again_and_one_that_refuses_is_not():
    stumbles, rest = Answer(status=500), Answer(pieces=EVENTS[4:])
    async with replay_server(FIRST, stumbles, rest) as server:
        assert words(await told(server)) == "abc"
    refuses = Answer(
        status=404,
        content_type="application/json",
        pieces=[b'{"error":{"message":"no such response"}}'],
    )
    async with replay_server(FIRST, refuses, rest) as server:
        chunks = await told(server)
    assert len(server.requests) == 2
    assert [one.error_text for one in chunks if isinstance(one, Error)] == ["no such response"]


@pytest.mark.parametrize("policy", [Background(attempts=0), Background(timeout_s=0)])
async def test_reconnecting_can_be_switched_off_or_limited_in_time(policy: Background):
    async with replay_server(Answer(pieces=EVENTS[:3])) as server:
        await told(server, policy)
    assert paths(server) == ["/v1/responses"]


async def test_a_call_that_is_not_in_the_background_is_not_taken_up():
    async with replay_server(Answer(pieces=EVENTS[:3])) as server:
        adapter = model(server)
        with anyio.fail_after(10):
            chunks = [one async for one in adapter.stream(HELLO)]
        await adapter.aclose()
    assert paths(server) == ["/v1/responses"]
    assert not any(isinstance(one, MessageMetadata) for one in chunks)


async def test_a_restarted_process_resumes_from_the_stored_response_id():
    async with replay_server(
        Answer(pieces=EVENTS[:3], hang_after=3),
        Answer(pieces=EVENTS[:5]),
        Answer(pieces=EVENTS[5:]),
    ) as server:
        dying = model(server, Background(cancels=False))
        stored: dict[str, Any] = {}
        with anyio.fail_after(10):
            async with aclosing(dying.stream(HELLO, settings=IN_BACKGROUND)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, MessageMetadata):
                        stored |= chunk.message_metadata
                    if isinstance(chunk, TextDelta):
                        break
            await dying.aclose()
            restarted = model(server)
            again = [one async for one in restarted.resume(stored["responseId"])]
            await restarted.aclose()
    assert stored == {"responseId": "resp_1", "background": True}
    assert words(again) == "abc"
    assert grammar_faults(again) == []
    assert paths(server)[1:] == ["/v1/responses/resp_1?stream=true", after(4)]


async def test_taking_up_in_the_middle_of_a_text_opens_it_again():
    async with replay_server(Answer(pieces=EVENTS[4:])) as server:
        adapter = model(server)
        with anyio.fail_after(10):
            chunks = [one async for one in adapter.resume("resp_1", starting_after=3)]
        await adapter.aclose()
    assert words(chunks) == "c"
    assert grammar_faults(chunks) == []


@pytest.mark.parametrize("hangs_at", [3, 4])
async def test_stopping_cancels_the_response_at_the_provider(hangs_at: int):
    hanging = Answer(pieces=EVENTS[:hangs_at], hang_after=hangs_at)
    async with replay_server(hanging, CANCELLED) as server:
        adapter = model(server)
        with anyio.fail_after(10):
            stream = adapter.stream(HELLO, settings=IN_BACKGROUND)
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, TextDelta):
                        break
            await server.requests[0].left.wait()
        await adapter.aclose()
    assert paths(server) == ["/v1/responses", "/v1/responses/resp_1/cancel"]


async def test_a_cancelled_reader_cancels_too_and_a_server_that_hangs_does_not_hold_it():
    hanging = Answer(pieces=EVENTS[:3], hang_after=3)
    mute = Answer(content_type="application/json", pieces=[b"{"], hang_after=1)
    async with replay_server(hanging, mute) as server:
        adapter = model(server, Background(cancel_timeout_s=0.05))

        async def read() -> None:
            async with aclosing(adapter.stream(HELLO, settings=IN_BACKGROUND)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, TextDelta):
                        tasks.cancel_scope.cancel()

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
        await adapter.aclose()
    assert paths(server)[1] == "/v1/responses/resp_1/cancel"


async def test_a_response_that_is_over_is_not_cancelled():
    async with replay_server(Answer(pieces=EVENTS)) as server:
        await told(server)
    assert paths(server) == ["/v1/responses"]
