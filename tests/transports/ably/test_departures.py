"""Replies of agents that left: broken off, but not at once."""

from __future__ import annotations

import anyio
import pytest

from chat_transport.errors import StreamInterrupted
from chat_transport.transports.ably.channel import Member
from chat_transport.transports.ably.departures import Departures
from chat_transport.transports.ably.reply_reader import ReplyReaders

pytestmark = pytest.mark.anyio


class Place:
    def __init__(self) -> None:
        self.present: list[Member] = []

    def members(self) -> list[Member]:
        return self.present

    def appear(self, *names: str) -> None:
        self.present = [Member(name, None) for name in names]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_transport.transports.ably.departures.GRACE_S", 0.01)


async def test_the_replies_of_who_left_are_broken_off_and_no_others() -> None:
    place, readers = Place(), ReplyReaders()
    broken, going_on = readers.add("m1"), readers.add("m2")
    readers.speakers.update(m1="agent", m2="other")
    departures = Departures(place, readers)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            place.appear("agent", "other")
            departures.look(tasks)
            place.appear("other")
            departures.look(tasks)
            assert not broken.chunks.closed  # it may come back
        with pytest.raises(StreamInterrupted, match="'agent' left"):
            await broken.stream.drain()
    assert not going_on.chunks.closed


async def test_a_moment_away_does_no_harm_and_a_stranger_is_not_missed() -> None:
    place, readers = Place(), ReplyReaders()
    reader, unseen = readers.add("m1"), readers.add("m2")
    readers.speakers.update(m1="agent", m2="never-present")
    departures = Departures(place, readers)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for names in (["agent"], [], ["agent"]):
                place.appear(*names)
                departures.look(tasks)
    assert not reader.chunks.closed
    assert not unseen.chunks.closed
