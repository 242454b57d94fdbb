"""Order is kept while history is read."""

from __future__ import annotations

from chat_transport.codecs.ably.operations import Inbound
from chat_transport.transports.ably.feed import OrderedFeed


def message(serial: str) -> Inbound:
    return Inbound(action="create", serial=serial, version=serial)


def test_history_comes_before_what_waited_and_live_after() -> None:
    taken: list[tuple[str, bool]] = []
    feed = OrderedFeed(lambda m, live: taken.append((m.serial, live)))
    feed.give(message("0"))
    feed.hold()
    assert feed.is_held
    feed.give(message("3"))
    feed.hold()  # again is harmless
    feed.give(message("4"))
    feed.release([message("1"), message("2")])
    feed.give(message("5"))
    assert not feed.is_held
    assert taken == [
        ("0", True), ("1", False), ("2", False), ("3", True), ("4", True), ("5", True),
    ]  # fmt: skip


def test_what_fills_a_gap_counts_as_live() -> None:
    taken: list[tuple[str, bool]] = []
    feed = OrderedFeed(lambda m, live: taken.append((m.serial, live)))
    feed.hold()
    feed.release([message("1")], live=True)
    assert taken == [("1", True)]


def test_too_much_is_dropped_and_said() -> None:
    taken: list[str] = []
    feed = OrderedFeed(lambda m, _live: taken.append(m.serial), limit=2)
    feed.hold()
    for serial in "123":
        feed.give(message(serial))
    assert feed.overflowed
    feed.release()
    assert taken == ["1", "2"]
