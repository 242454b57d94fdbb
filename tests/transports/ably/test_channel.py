"""A channel over an SDK that answers as the test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from chat_transport.codecs.ably.operations import Inbound, OutboundMessage
from chat_transport.errors import (
    ConnectFailed,
    LocalProtocolError,
    RequestRejected,
    StreamInterrupted,
)
from chat_transport.transports.ably.channel import AblyChannel, HistoryPage, HistoryReader, Member

pytestmark = pytest.mark.anyio


class Sdk:
    """One SDK channel."""

    def __init__(self, events: Any) -> None:
        self.events = events
        self.troubles: list[Exception] = []
        self.serials: list[str | None] = ["s0"]
        self.hangs = False
        self.shown: list[Any] = []
        self.watched = 0
        self.detached = 0

    async def attach(self) -> None:
        if self.hangs:
            await anyio.sleep_forever()
        if self.troubles:
            raise self.troubles.pop(0)
        self.events.on_attached(self, "at-1", resumed=False)

    async def detach(self) -> None:
        self.detached += 1

    async def publish(self, messages: Any, ident: str) -> list[str | None]:
        return self.serials

    async def change(self, *args: Any) -> str | None:
        return "v1"

    async def enter(self, data: Any) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.shown.append(data)

    async def leave(self) -> None:
        self.shown.append(None)

    async def watch_presence(self) -> None:
        self.watched += 1

    def members(self) -> list[Member]:
        return [Member("agent", {"status": "online"})]


class Connection:
    """Binds channels; one page of history for each call, or a trouble."""

    def __init__(self, tasks: Any = None) -> None:
        self.tasks = tasks
        self.timeout_s = 0.05
        self.is_live = True
        self.bound: list[Sdk] = []
        self.pages: list[Any] = []
        self.asked: list[Mapping[str, str]] = []
        self.released = 0

    def bind(self, name: str, events: Any) -> Any:
        self.bound.append(Sdk(events))
        return self.bound[-1]

    def release(self, name: str) -> None:
        self.released += 1

    async def connected(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def read_history(self, name: str, params: Mapping[str, str]) -> HistoryPage:
        self.asked.append(params)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_message(self, message: Inbound) -> None:
        self.heard.append(message.serial)

    def on_gap(self) -> None:
        self.heard.append("gap")

    def on_lost(self, error: Exception) -> None:
        self.heard.append(f"lost: {error}")


def inbound(serial: str, ident: str | None = None) -> Inbound:
    return Inbound(action="create", serial=serial, version=serial, id=ident)


NOTE = (OutboundMessage(name="note", data=""),)


def channel_of(connection: Connection) -> AblyChannel:
    return AblyChannel("c", connection)  # type: ignore[arg-type]  # a fake


async def test_it_attaches_for_the_first_listener_and_detaches_after_the_last() -> None:
    connection = Connection()
    channel, one, two = channel_of(connection), Ear(), Ear()
    async with channel.listening(one):
        async with channel.listening(two):
            (sdk,) = connection.bound
            channel.on_message(sdk, inbound("1"))  # type: ignore[arg-type]
        channel.on_message(sdk, inbound("2"))  # type: ignore[arg-type]
    assert (one.heard, two.heard) == (["1", "2"], ["1"])
    assert (sdk.detached, connection.released) == (1, 1)
    channel.on_message(sdk, inbound("3"))  # type: ignore[arg-type]  # late: ignored
    assert one.heard == ["1", "2"]


async def test_without_a_connection_it_does_not_wait_for_detach() -> None:
    connection = Connection()
    async with channel_of(connection).listening(Ear()):
        connection.is_live = False
    assert connection.bound[0].detached == 0


async def test_a_refused_or_silent_attach_is_told() -> None:
    connection = Connection()
    channel = channel_of(connection)

    def refusing(name: str, events: Any) -> Any:
        sdk = Sdk(events)
        sdk.troubles = [RequestRejected("no", code=40160)]
        return sdk

    connection.bind = refusing  # type: ignore[method-assign]
    with pytest.raises(RequestRejected):
        await channel.listening(Ear()).__aenter__()

    def silent(name: str, events: Any) -> Any:
        sdk = Sdk(events)
        sdk.hangs = True
        return sdk

    connection.bind = silent  # type: ignore[method-assign]
    with pytest.raises(ConnectFailed, match="no answer"):
        await channel.listening(Ear()).__aenter__()


async def test_the_attach_serial_moves_only_where_live_messages_begin_anew() -> None:
    connection = Connection()
    channel, ear = channel_of(connection), Ear()
    async with channel.listening(ear):
        (sdk,) = connection.bound
        assert channel.attach_serial == "at-1"
        channel.on_attached(sdk, "at-2", resumed=True)  # type: ignore[arg-type]
        assert (channel.attach_serial, ear.heard) == ("at-1", [])
        channel.on_attached(sdk, "at-3", resumed=False)  # type: ignore[arg-type]
        assert (channel.attach_serial, ear.heard) == ("at-3", ["gap"])


async def test_only_a_channel_that_is_refused_for_good_is_lost() -> None:
    connection = Connection()
    channel, ear = channel_of(connection), Ear()
    async with channel.listening(ear):
        (sdk,) = connection.bound
        error = RequestRejected("not any more")
        channel.on_detached(sdk, error, is_final=False)  # type: ignore[arg-type]
        connection.is_live = False
        channel.on_detached(sdk, error, is_final=True)  # type: ignore[arg-type]
        assert ear.heard == []
        connection.is_live = True
        channel.on_detached(sdk, error, is_final=True)  # type: ignore[arg-type]
        assert ear.heard == ["lost: not any more"]
        channel.on_closed()
        assert "connection was closed" in ear.heard[-1]


async def test_after_a_rebuild_it_attaches_again_until_it_can() -> None:
    async with anyio.create_task_group() as tasks:
        connection = Connection(tasks)
        channel, ear = channel_of(connection), Ear()
        async with channel.listening(ear), channel.watching(lambda: None):
            await channel.present({"status": "online"})
            channel.rebind()
            new = connection.bound[-1]
            new.troubles = [StreamInterrupted("not yet", resumable=True)]
            with anyio.fail_after(5):
                while new.shown != [{"status": "online"}] or not new.watched:
                    await anyio.lowlevel.checkpoint()
            assert ear.heard == ["gap"]
            channel.rebind()
            connection.bound[-1].troubles = [RequestRejected("no")]
            with anyio.fail_after(5):
                while ear.heard[-1] != "lost: no":
                    await anyio.lowlevel.checkpoint()


async def test_the_name_error_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="named 'error'"):
        await channel_of(Connection()).publish((OutboundMessage(name="error"),), "x")


async def test_a_serial_that_is_not_acknowledged_comes_from_the_echo() -> None:
    connection = Connection()
    channel = channel_of(connection)
    async with channel.listening(Ear()):
        (sdk,) = connection.bound
        sdk.serials = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(channel.publish, NOTE, "other")
            await anyio.wait_all_tasks_blocked()
            channel.on_message(sdk, inbound("s9", "other:0"))  # type: ignore[arg-type]
            channel.on_message(sdk, inbound("s9", "other:0"))  # type: ignore[arg-type]  # twice is fine
        with pytest.raises(StreamInterrupted, match="no serial"):
            await channel.publish(NOTE, "x")


async def test_publishing_needs_no_attach() -> None:
    channel = channel_of(Connection())
    assert await channel.publish(NOTE, "x") == ["s0"]
    assert await channel.change("append", NOTE[0], "s0") == "v1"


async def test_presence_is_left_once_and_its_loss_is_not_an_error() -> None:
    connection = Connection()
    channel = channel_of(connection)
    assert channel.members() == ()
    async with channel.listening(Ear()):
        (sdk,) = connection.bound
        sdk.troubles = [ConnectFailed("away")]
        await channel.present({"status": "online"})
        sdk.troubles = [RequestRejected("no right")]
        with pytest.raises(RequestRejected):
            await channel.present({"status": "online"})
        await channel.absent()
        await channel.absent()
        assert sdk.shown == [None]
        assert channel.members() == [Member("agent", {"status": "online"})]


async def test_presence_is_watched_once_for_all() -> None:
    connection = Connection()
    channel, looks = channel_of(connection), []
    async with channel.listening(Ear()):
        (sdk,) = connection.bound
        for number in range(2):
            async with channel.watching(lambda number=number: looks.append(number)):  # type: ignore[misc]
                channel.on_presence(sdk)  # type: ignore[arg-type]
    assert (looks, sdk.watched) == ([0, 1], 1)


async def test_history_is_read_until_the_attach_and_page_by_page() -> None:
    connection = Connection()
    connection.pages = [HistoryPage([inbound("2")], {"p": "2"}), HistoryPage([inbound("1")], None)]
    reader = HistoryReader(channel_of(connection), "at-1")
    assert [m.serial for m in await reader.next_page()] == ["2"]
    assert not reader.is_exhausted
    assert [m.serial for m in await reader.next_page()] == ["1"]
    assert reader.is_exhausted
    assert await reader.next_page() == ()
    assert connection.asked[0]["fromSerial"] == connection.asked[0]["from_serial"] == "at-1"
    assert connection.asked[1] == {"p": "2"}


async def test_a_page_that_fails_is_asked_for_again() -> None:
    connection = Connection()
    lost = StreamInterrupted("lost", resumable=True)
    connection.pages = [lost, HistoryPage([inbound("1")], None)]
    reader = HistoryReader(channel_of(connection), None)
    assert [m.serial for m in await reader.next_page()] == ["1"]
    connection.pages = [lost] * 4
    with pytest.raises(StreamInterrupted):
        await HistoryReader(channel_of(connection), None).next_page()


async def test_an_attach_long_ago_falls_back_to_reading_from_now() -> None:
    connection = Connection()
    too_old = RequestRejected("attach point not found", code=90008)
    connection.pages = [too_old, HistoryPage([inbound("1")], None)]
    reader = HistoryReader(channel_of(connection), "at-1")
    assert [m.serial for m in await reader.next_page()] == ["1"]
    assert "fromSerial" not in connection.asked[1]
    connection.pages = [RequestRejected("no right", code=40160)]
    with pytest.raises(RequestRejected, match="no right"):
        await HistoryReader(channel_of(connection), "at-1").next_page()
