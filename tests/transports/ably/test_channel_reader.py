"""One reading of a channel that the test plays."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport.codecs.ably.operations import Inbound
from chat_transport.errors import ConnectFailed, StreamInterrupted, TransportError
from chat_transport.transports.ably.channel_reader import ChannelReader
from chat_transport.transports.ably.feed import OrderedFeed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def message(serial: str) -> Inbound:
    return Inbound(action="create", serial=serial, version=serial, name="n", data=serial)


class Channel:
    """Gives pages as the test laid them down, newest message first."""

    name = "ai:x"

    def __init__(self, tasks: Any, pages: Sequence[Any]) -> None:
        self.connection = self
        self.tasks = tasks
        self.pages = list(pages)
        self.reads = 0

    @asynccontextmanager
    async def listening(self, _listener: Any) -> AsyncIterator[None]:
        yield

    def history(self) -> Channel:
        return self

    @property
    def is_exhausted(self) -> bool:
        return not self.pages

    async def next_page(self) -> Sequence[Inbound]:
        await anyio.lowlevel.checkpoint()
        self.reads += 1
        page = self.pages.pop(0) if self.pages else []
        if isinstance(page, Exception):
            raise page
        return [message(serial) for serial in page]


class Fold:
    """Writes down what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool]] = []
        self.healed: list[TransportError | None] = []
        self.lost: list[TransportError] = []
        self.open_from: str | None = None

    def take(self, message: Inbound, *, live: bool) -> None:
        if message.serial == "broken":
            raise ValueError("nonsense")
        self.taken.append((message.serial, live))

    def oldest_open(self) -> str | None:
        return self.open_from

    def on_healed(self, error: TransportError | None) -> None:
        self.healed.append(error)

    def on_lost(self, error: TransportError) -> None:
        self.lost.append(error)


@asynccontextmanager
async def reading(*pages: Any) -> AsyncIterator[tuple[ChannelReader, Channel, Fold]]:
    async with anyio.create_task_group() as tasks:
        fold = Fold()
        channel = Channel(tasks, pages)
        reader = ChannelReader(channel, fold)  # type: ignore[arg-type]  # a fake
        with anyio.fail_after(5):
            async with reader.open():
                yield reader, channel, fold


async def test_history_comes_before_what_came_meanwhile() -> None:
    async with reading(["2", "1"]) as (reader, _channel, fold):
        reader.on_message(message("3"))
        assert fold.taken == []
        await reader.begin()
        reader.on_message(message("4"))
    assert fold.taken == [("1", False), ("2", False), ("3", True), ("4", True)]


async def test_older_pages_are_read_one_at_a_time_and_only_when_asked() -> None:
    async with reading(["4", "3"], ["2"], ["1"]) as (reader, channel, fold):
        await reader.begin()
        assert channel.reads == 1
        assert await reader.load_older()
        assert channel.reads == 2
        assert not reader.is_exhausted
        assert await reader.load_older()
        assert reader.is_exhausted
        assert not await reader.load_older()
        assert channel.reads == 3
    assert [serial for serial, _ in fold.taken] == ["3", "4", "2", "1"]


async def test_a_gap_is_filled_back_to_what_may_still_change() -> None:
    async with reading(["5"]) as (reader, channel, fold):
        await reader.begin()
        fold.open_from = "3"
        channel.pages = [["7", "6"], ["5", "4"], ["3", "2"], ["1"]]
        reader.on_gap()
        reader.on_gap()  # a second one while it heals changes nothing
        reader.on_message(message("8"))
        await anyio.wait_all_tasks_blocked()
    assert channel.pages == [["1"]]
    assert [serial for serial, live in fold.taken if live] == ["2", "3", "4", "5", "6", "7", "8"]
    assert fold.healed == [None]


async def test_a_gap_that_cannot_be_filled_is_told() -> None:
    trouble = StreamInterrupted("no history", resumable=True)
    async with reading(["1"]) as (reader, channel, fold):
        await reader.begin()
        channel.pages = [trouble]
        reader.on_gap()
        await anyio.wait_all_tasks_blocked()
    assert fold.healed == [trouble]


async def test_more_than_can_wait_is_read_again() -> None:
    async with reading([]) as (reader, channel, fold):
        await reader.begin()
        reader._feed = OrderedFeed(lambda each, live: reader.take(each, live=live), limit=1)
        reader.on_gap()
        reader.on_message(message("1"))
        reader.on_message(message("2"))
        channel.pages = [[], ["2", "1"]]
        await anyio.wait_all_tasks_blocked()
    assert [serial for serial, _ in fold.taken] == ["1", "1", "2"]
    assert fold.healed == [None, None]


async def test_what_is_not_understood_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async with reading([]) as (reader, _channel, fold):
        await reader.begin()
        with caplog.at_level(logging.WARNING):
            reader.on_message(message("broken"))
        reader.on_message(message("2"))
    assert "broken on ai:x is not understood" in caplog.text
    assert fold.taken == [("2", True)]


async def test_a_lost_channel_is_told_and_a_closed_reading_heals_nothing() -> None:
    async with reading([]) as (reader, channel, fold):
        await reader.begin()
        reader.on_lost(error := ConnectFailed("refused"))
    reader.on_gap()
    assert fold.lost == [error]
    assert channel.reads == 1
