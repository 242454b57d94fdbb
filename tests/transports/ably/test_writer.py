"""The writer over a channel that refuses, forgets and delays as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport._tasks import open_task_group
from chat_transport.codecs.ably.operations import Append, OutboundMessage, Publish, Update
from chat_transport.errors import (
    ConnectFailed,
    LocalProtocolError,
    RequestRejected,
    StreamInterrupted,
    TransportClosed,
)
from chat_transport.transports.ably.writer import OperationWriter

pytestmark = pytest.mark.anyio


class Link:
    def __init__(self) -> None:
        self.in_flight = asyncio.Semaphore(200)
        self.waits = 0
        self.is_down: anyio.Event | None = None

    async def connected(self) -> None:
        self.waits += 1
        if self.is_down is not None:
            await self.is_down.wait()


class Channel:
    """Keeps what Ably would keep; `troubles` are raised in order, None lets an operation through."""

    name = "ai:x"

    def __init__(self) -> None:
        self.connection = Link()
        self.frames: list[tuple[str, ...]] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.texts: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.troubles: list[Exception | None] = []
        self.gate: anyio.Event | None = None
        self.most_out = 0
        self._out = 0
        self._idents: dict[str, list[str]] = {}

    async def publish(self, messages: tuple[OutboundMessage, ...], ident: str) -> list[str]:
        await self._meet()
        if ident not in self._idents:
            self.frames.append(tuple(m.name for m in messages))
            serials = []
            for message in messages:
                serial = f"s{len(self.texts)}"
                self.texts[serial] = message.data if isinstance(message.data, str) else ""
                serials.append(serial)
            self._idents[ident] = serials
        return self._idents[ident]

    async def change(
        self, action: str, message: OutboundMessage, serial: str, metadata: Any = None
    ) -> str | None:
        await self._meet()
        self.calls.append((action, message.data, message.extras))
        before = self.texts[serial] if action == "append" else ""
        self.texts[serial] = before + message.data
        return "v"

    async def _meet(self) -> None:
        self._out += 1
        self.most_out = max(self.most_out, self._out)
        try:
            if self.gate is not None:
                await self.gate.wait()
            trouble = self.troubles.pop(0) if self.troubles else None
            if trouble is not None:
                raise trouble
        finally:
            self._out -= 1


@asynccontextmanager
async def writing(channel: Channel, **settings: Any) -> AsyncIterator[OperationWriter]:
    writer = OperationWriter(channel, **settings)
    async with open_task_group() as tasks:
        tasks.start_soon(writer.run)
        with anyio.fail_after(10):
            yield writer
        tasks.cancel_scope.cancel()


def opening(key: str = "k") -> Publish:
    return Publish(messages=(OutboundMessage(name="out", data="", extras={"n": 0}),), key=key)


def whole(name: str) -> Publish:
    return Publish(messages=(OutboundMessage(name=name, data=name),))


def more(text: str, key: str = "k", **extras: Any) -> Append:
    return Append(key=key, data=text, extras=extras or {"n": 0})


REFUSED = RequestRejected("no", code=40000, status=400)
LOST = StreamInterrupted("lost", resumable=True)
BUSY = RequestRejected("too fast", code=42911, status=429)


async def test_the_first_delta_goes_at_once_and_the_rest_together() -> None:
    channel = Channel()
    async with writing(channel, window_s=0.02) as writer:
        writer.put(opening())
        writer.put(more("a"))
        await writer.flush()
        for letter in "bcd":
            writer.put(more(letter))
        await writer.flush()
    assert [call[1] for call in channel.calls] == ["a", "bcd"]
    assert channel.texts["s0"] == "abcd"


async def test_a_window_of_zero_sends_each_delta() -> None:
    channel = Channel()
    async with writing(channel, window_s=0) as writer:
        writer.put(opening())
        for letter in "abc":
            writer.put(more(letter))
        await writer.flush()
    assert [call[1] for call in channel.calls] == ["a", "b", "c"]


async def test_a_whole_message_ends_the_window_and_overtakes_nothing() -> None:
    channel = Channel()
    async with writing(channel, window_s=30) as writer:
        writer.put(opening())
        writer.put(more("a"))
        await writer.flush()
        writer.put(more("b"))
        writer.put(more("c", status="complete"))
        writer.put(whole("finish"))
        await writer.flush()
    assert channel.calls[1:] == [("append", "bc", {"status": "complete"})]
    assert channel.frames == [("out",), ("finish",)]


async def test_interleaved_streams_keep_their_own_texts() -> None:
    channel = Channel()
    async with writing(channel, window_s=0.01) as writer:
        writer.put(opening("k"))
        writer.put(opening("l"))
        for letter in "abc":
            writer.put(more(letter, "k"))
            writer.put(more(letter.upper(), "l"))
        await writer.flush()
    assert channel.texts == {"s0": "abc", "s1": "ABC"}
    assert len(channel.calls) <= 4


async def test_appends_with_other_metadata_are_not_joined() -> None:
    channel = Channel()
    async with writing(channel, window_s=0.01) as writer:
        writer.put(opening())
        writer.put(Append(key="k", data="a", metadata={"event": "text-delta"}))
        writer.put(Append(key="k", data="", metadata={"event": "text-end"}))
        await writer.flush()
    assert [call[1] for call in channel.calls] == ["a", ""]


async def test_publishes_in_a_row_share_a_frame_until_one_must_be_answered() -> None:
    channel, told = Channel(), []
    async with writing(channel, on_serial=lambda *seen: told.append(seen)) as writer:
        writer.put(whole("start"))
        writer.put(Publish(messages=whole("step").messages, key="step", await_serial=True))
        writer.put(whole("a"))
        writer.put(opening("t"))
        await writer.flush()
    assert channel.frames == [("start", "step"), ("a", "out")]
    assert told == [("step", "s1"), ("t", "s3")]


async def test_appends_in_flight_are_bounded_and_what_waits_joins() -> None:
    channel = Channel()
    async with writing(channel, window_s=0) as writer:
        writer.put(opening())
        await writer.flush()
        channel.gate = anyio.Event()
        for number in range(30):
            writer.put(more(f"{number} "))
        await anyio.wait_all_tasks_blocked()
        assert channel.most_out == 8
        channel.gate.set()
        await writer.flush()
    assert channel.texts["s0"] == "".join(f"{number} " for number in range(30))


@pytest.mark.parametrize("trouble", [REFUSED, LOST, ConnectFailed("away")])
@pytest.mark.parametrize("place", [0, 1, 4])
async def test_a_failed_append_is_made_good_by_one_update(trouble: Exception, place: int) -> None:
    channel = Channel()
    async with writing(channel, window_s=0) as writer:
        writer.put(opening())
        await writer.flush()
        channel.troubles = [None] * place + [trouble]
        for letter in "abcde":
            writer.put(more(letter))
        await writer.flush()
        writer.put(more("f"))
        await writer.flush()
    assert channel.texts["s0"] == "abcdef"
    assert [call[0] for call in channel.calls].count("update") == 1


async def test_a_repair_that_fails_is_tried_again() -> None:
    channel = Channel()
    async with writing(channel) as writer:
        writer.put(opening())
        await writer.flush()
        channel.troubles = [LOST, LOST, BUSY]
        writer.put(more("abc"))
        await writer.flush()
    assert channel.texts["s0"] == "abc"


@pytest.mark.parametrize("troubles", [[LOST], [ConnectFailed("away"), LOST]])
async def test_a_publish_is_sent_again_until_it_is_there_once(troubles: list[Exception]) -> None:
    channel = Channel()
    channel.troubles = list(troubles)
    async with writing(channel) as writer:
        writer.put(whole("a"))
        writer.put(whole("b"))
        await writer.flush()
    assert channel.frames == [("a", "b")]


async def test_a_frame_that_is_too_many_at_once_goes_in_halves_in_order() -> None:
    channel = Channel()
    channel.troubles = [BUSY, None, LOST, BUSY, BUSY]
    serials: list[tuple[str, str]] = []
    async with writing(channel, on_serial=lambda *told: serials.append(told)) as writer:
        for name in "abcd":
            writer.put(Publish(messages=(OutboundMessage(name=name, data=name),), key=name))
        await writer.flush()
    assert channel.frames == [("a", "b"), ("c",), ("d",)]
    assert serials == [("a", "s0"), ("b", "s1"), ("c", "s2"), ("d", "s3")]


async def test_a_refused_publish_stops_the_writer_with_its_reason() -> None:
    channel = Channel()
    channel.troubles = [RequestRejected("no right", code=40160, status=401)]
    async with writing(channel) as writer:
        writer.put(whole("a"))
        with pytest.raises(RequestRejected, match="no right"):
            await writer.flush()
        with pytest.raises(RequestRejected, match="no right"):
            writer.put(whole("b"))
        await writer.room()
        assert isinstance(writer.error, RequestRejected)


@pytest.mark.parametrize("code", [93002, 40160, 40166])
async def test_appends_that_can_never_work_are_not_repaired(code: int) -> None:
    channel = Channel()
    async with writing(channel) as writer:
        writer.put(opening())
        await writer.flush()
        channel.troubles = [RequestRejected("never", code=code)]
        writer.put(more("a"))
        with pytest.raises(RequestRejected, match="never"):
            await writer.flush()
    assert channel.calls == []


async def test_without_a_connection_it_waits_and_then_gives_up() -> None:
    channel = Channel()
    channel.connection.is_down = anyio.Event()
    channel.troubles = [LOST]
    async with writing(channel, give_up_s=0.05) as writer:
        writer.put(whole("a"))
        with pytest.raises(StreamInterrupted):
            await writer.flush()
    assert channel.connection.waits == 1


async def test_updates_replace_and_later_repairs_know_it() -> None:
    channel = Channel()
    async with writing(channel, window_s=0) as writer:
        writer.put(opening())
        writer.put(more("draft"))
        writer.put(Update(key="k", data="final", name="out", extras={"n": 1}))
        await writer.flush()
        channel.troubles = [REFUSED]
        writer.put(more("!"))
        await writer.flush()
    assert channel.texts["s0"] == "final!"


async def test_an_adopted_message_can_be_appended_to() -> None:
    channel = Channel()
    channel.texts["old"] = "was "
    async with writing(channel) as writer:
        writer.adopt("k", "old")
        writer.put(more("here"))
        await writer.flush()
    assert channel.texts["old"] == "was here"


async def test_an_adopted_message_is_repaired_with_all_that_it_said() -> None:
    channel = Channel()
    channel.texts["old"] = "was "
    channel.troubles = [StreamInterrupted("cut", resumable=True)]
    async with writing(channel) as writer:
        writer.adopt("k", "old", "was ")
        writer.put(more("here"))
        await writer.flush()
    assert channel.texts["old"] == "was here"


async def test_what_is_too_large_is_refused_before_it_is_sent() -> None:
    channel = Channel()
    async with writing(channel) as writer:
        big = OutboundMessage(name="big", data="é" * 40_000)
        with pytest.raises(LocalProtocolError, match="80003 bytes"):
            writer.put(Publish(messages=(big,)))
        writer.put(opening())
        for _ in range(6):
            writer.put(more("x" * 10_000))
        with pytest.raises(LocalProtocolError, match="would have 70000 bytes"):
            writer.put(more("x" * 10_000))
        writer.put(more("y"))
        await writer.flush()
    assert channel.frames == [("out",)]
    assert "".join(channel.texts.values()).endswith("xxy"), "what there is room for is said"


async def test_an_update_that_is_too_large_and_an_unknown_key_stop_the_writer() -> None:
    for operation, words in [
        (Update(key="k", data="x" * 70_000), "update a message to"),
        (more("a", key="never"), "was never published"),
    ]:
        async with writing(Channel()) as writer:
            writer.put(opening())
            writer.put(operation)
            with pytest.raises(LocalProtocolError, match=words):
                await writer.flush()


async def test_a_full_queue_makes_the_caller_wait() -> None:
    channel = Channel()
    channel.gate = anyio.Event()
    async with writing(channel) as writer:
        for number in range(300):
            writer.put(whole(f"m{number}"))
        with anyio.move_on_after(0.02) as scope:
            await writer.room()
        assert scope.cancelled_caught
        channel.gate.set()
        await writer.room()
        await writer.flush()
    assert sum(map(len, channel.frames)) == 300


async def test_a_writer_that_was_left_takes_nothing() -> None:
    async with writing(Channel()) as writer:
        pass
    with pytest.raises(TransportClosed):
        writer.put(whole("a"))
