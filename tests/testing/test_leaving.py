from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from chat_transport.chunks import TextDelta, TextStart, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter
from chat_transport.step import StepDecoder
from chat_transport.testing import leaving
from chat_transport.testing.leaving import CLOSED_WITHIN_S, Way, leave, leave_faults, shows_leaving
from chat_transport.testing.replay import Answer, Recipe, Recording, replay_server

pytestmark = pytest.mark.anyio

HELLO = [UIMessage.user("Hi", id="u")]
EVENTS = [json.dumps(event) for event in ({"id": 1}, {"word": "a"}, {"word": "b"}, {"stop": 1})]
WORDS = Recording(api="words", name="ab", events=EVENTS)
MUTE = Recording(api="words", name="mute", events=EVENTS[::3])


class Words(StepDecoder):
    def decode(self, event: Any) -> list[UIMessageChunk]:
        if "word" not in event:
            return []
        delta = TextDelta(id="x", delta=event["word"])
        return [delta] if self.is_open(TextStart, "x") else [TextStart(id="x"), delta]


class Adapter(ModelAdapter):
    """Speaks to the provider over a bare socket."""

    provider, model = "words", "m"

    def __init__(self, url: str) -> None:
        self.port = int(url.rpartition(":")[2])
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True
        await self.socket.aclose()

    async def stream(
        self, messages: Sequence[UIMessage], **_: Any
    ) -> AsyncGenerator[UIMessageChunk, None]:
        self.socket = await anyio.connect_tcp("127.0.0.1", self.port)
        try:
            await self.socket.send(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
            data = b""
            while b"\r\n0\r\n" not in data:
                data += await self.socket.receive()
                if b"word" in data:
                    yield TextDelta(id="x", delta="a")
        finally:
            await self.leave()

    async def leave(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.socket.aclose()


class Late(Adapter):
    async def leave(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(CLOSED_WITHIN_S * 2)
            await self.socket.aclose()


class Leaky(Adapter):
    async def leave(self) -> None:
        return None


def recipe(kind: type[Adapter]) -> Recipe:
    return Recipe(
        content_type="text/event-stream",
        frame=lambda event: f"data: {event}\n\n".encode(),
        adapter=lambda url, _recording: kind(url),
        decoder=lambda _recording: Words(),
    )


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_adapter_that_closes_at_once_has_no_faults():
    assert await leave_faults(recipe(Adapter), WORDS) == []


async def test_one_that_closes_late_is_told_in_each_way():
    first, second = await leave_faults(recipe(Late), WORDS)
    assert first.startswith("ab, leave: closed after 0.")
    assert second.startswith("ab, cancel: closed after 0.")


async def test_one_that_leaves_it_open_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leaving, "PATIENCE_S", 0.3)
    made: list[Adapter] = []

    def make(url: str, _recording: Recording) -> Adapter:
        made.append(Leaky(url))
        return made[-1]

    faults = await leave_faults(replace(recipe(Leaky), adapter=make), WORDS)
    assert [fault.partition(";")[0] for fault in faults] == [
        "ab, leave: the connection stayed open",
        "ab, cancel: the connection stayed open",
    ]
    assert [adapter.is_closed for adapter in made] == [True, True]


async def test_a_recording_without_words_cannot_be_left():
    assert not shows_leaving(recipe(Adapter), MUTE)
    assert shows_leaving(recipe(Adapter), WORDS)
    (fault,) = await leave_faults(recipe(Adapter), MUTE)
    assert fault.startswith("mute: no delta before the last event")


@pytest.mark.parametrize("way", ["leave", "cancel"])
async def test_the_time_is_counted_from_the_first_delta(way: Way):
    answer = recipe(Late).answer(WORDS, hang_after=2)
    async with replay_server(answer) as server:
        adapter = Late(server.url)
        assert await leave(server, adapter.stream(HELLO), by=way) >= CLOSED_WITHIN_S * 2
        await adapter.aclose()


async def test_a_stream_that_ends_without_a_delta_is_an_error():
    async with replay_server(Answer()) as server:
        adapter = Adapter(server.url)
        with pytest.raises(TimeoutError, match="ended before its first delta"):
            await leave(server, adapter.stream(HELLO))
        await adapter.aclose()
