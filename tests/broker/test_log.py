from __future__ import annotations

import msgspec
import pytest

from chat_transport.broker.frames import Action, Message, MessageAction, Version
from chat_transport.broker.log import ChannelLog, Entry, HistoryQuery, Record, payload_size
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import SerialClock
from chat_transport.broker.settings import Limits


class Writer:
    """Writes entries as a channel does, at times that the test chooses."""

    def __init__(self, **limits) -> None:
        self.now = 1_800_000_000_000
        self.clock = SerialClock(lambda: self.now)
        self.log = ChannelLog(self.clock.next(), Limits(**limits))

    def create(self, data, **fields):
        self.now += 10
        serial = self.clock.next()
        message = Message(
            serial=f"{serial}:000",
            data=data,
            action=0,
            version=Version(serial=f"{serial}:000"),
            timestamp=self.now,
            **fields,
        )
        self.log.add(Entry(serial, Action.MESSAGE, [message], id="x:0", connection_id="k"))
        return self.log.records.get(message.serial)

    def change(self, record, action, data):
        self.now += 10
        serial = self.clock.next()
        event = msgspec.structs.replace(
            record.current, action=action, data=data, version=Version(serial=f"{serial}:000")
        )
        self.log.add(
            Entry(serial, Action.MESSAGE, [event], id="x:0", connection_id="k", record=record)
        )


def test_size_counts_bytes_of_what_is_sent():
    assert (
        payload_size(Message(name="ab", client_id="c", data="ü", extras={"a": 1})) == 2 + 1 + 2 + 7
    )
    assert payload_size(Message(data=b"123")) == 3


def test_appends_fold_into_one_message():
    writer = Writer()
    record = writer.create("a")
    for data in ("b", None, "c"):
        writer.change(record, MessageAction.APPEND, data)
    message = record.message()
    assert (message.data, message.action, record.version_serial) == (
        "abc",
        MessageAction.UPDATE,
        f"{writer.log.head}:000",
    )
    writer.change(record, MessageAction.APPEND, "d")
    assert record.message().data == "abcd"


def test_versions_keep_edits_and_count_a_run_of_appends_as_one():
    writer = Writer()
    record = writer.create("a")
    writer.change(record, MessageAction.UPDATE, "b")
    writer.change(record, MessageAction.APPEND, "c")
    writer.change(record, MessageAction.APPEND, "d")
    writer.change(record, MessageAction.DELETE, "")
    assert [(v.action, v.data) for v in record.versions()] == [
        (0, "a"),
        (1, "b"),
        (1, "bcd"),
        (2, ""),
    ]


def test_kept_versions_are_bounded_and_the_first_stays():
    writer = Writer(versions_per_message=3)
    record = writer.create("first")
    for number in range(10):
        writer.change(record, MessageAction.UPDATE, str(number))
    assert [v.data for v in record.versions()] == ["first", "7", "8", "9"]


def test_data_of_two_kinds_does_not_mix():
    record = Record(Message(serial="s", data="text", version=Version(serial="s")))
    record.check_append("more")
    record.check_append(None)
    with pytest.raises(Refusal, match="bytes"):
        record.check_append(b"more")


def test_pages_are_stable_while_new_messages_arrive():
    writer = Writer()
    for number in range(7):
        writer.create(str(number))
    seen, after = [], None
    while True:
        records, more = writer.log.page(HistoryQuery(limit=3, after=after))
        seen += [record.current.data for record in records]
        writer.create("new")
        if not more:
            break
        after = records[-1].serial
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_pages_forwards_by_time_and_until_a_point():
    writer = Writer()
    records = [writer.create(str(number)) for number in range(6)]
    until = records[3].serial[:-4]
    start, end = records[1].current.timestamp, records[4].current.timestamp

    def read(**query):
        page, more = writer.log.page(HistoryQuery(**query))
        return "".join(record.current.data for record in page), more

    assert read(forwards=True, limit=2) == ("01", True)
    assert read(forwards=True, limit=4, after=records[1].serial) == ("2345", False)
    assert read(start_ms=start, end_ms=end) == ("4321", False)
    assert read(until=until) == ("3210", False)
    assert read(until=records[3].serial) == ("3210", False)
    assert read(end_ms=1) == ("", False)


def test_the_newest_for_a_rewind():
    writer = Writer()
    records = [writer.create(str(number)) for number in range(5)]
    assert [r.current.data for r in writer.log.newest(2)] == ["3", "4"]
    since = records[3].current.timestamp
    assert [r.current.data for r in writer.log.newest(100, since)] == ["3", "4"]


def test_continuity_is_known_by_the_floor():
    writer = Writer(stream_retention_ms=25)
    begin = writer.log.head
    for number in range(5):
        writer.create(str(number))
    assert writer.log.floor <= begin
    assert [e.items[0].data for e in writer.log.after(begin)] == list("01234")
    writer.log.expire(writer.now)
    assert begin < writer.log.floor < writer.log.head
    assert [e.items[0].data for e in writer.log.after(writer.log.floor)] == list("234")


def test_nothing_grows_without_bound():
    writer = Writer(history_count=50)
    for number in range(2000):
        writer.create(str(number))
    assert len(writer.log.entries) <= 50 + 257
    assert len(writer.log.records) == len(writer.log.order) <= 50 + 257
    writer = Writer(history_bytes=10_000)
    for _ in range(200):
        writer.create("x" * 500)
    assert writer.log.stream_bytes < 11_000
    assert writer.log.record_bytes < 11_000
    assert writer.log.order[-1] in writer.log.records


def test_one_growing_message_is_bounded_in_the_stream_but_kept_whole():
    writer = Writer(history_bytes=10_000)
    record = writer.create("")
    for _ in range(300):
        writer.change(record, MessageAction.APPEND, "x" * 100)
    assert writer.log.stream_bytes < 11_000
    assert record.message().data == "x" * 30_000
    assert writer.log.records == {record.serial: record}


def test_old_messages_expire():
    writer = Writer(history_retention_ms=25)
    writer.create("old")
    writer.now += 100
    new = writer.create("new")
    writer.log.expire(writer.now)
    assert list(writer.log.records) == [new.serial]


def test_an_ephemeral_entry_is_streamed_and_not_kept():
    writer = Writer()
    serial = writer.clock.next()
    message = Message(serial=f"{serial}:000", version=Version(serial=f"{serial}:000"))
    entry = Entry(serial, Action.MESSAGE, [message], id="x", connection_id=None)
    writer.log.add(entry, keep_messages=False)
    assert (writer.log.entries, writer.log.records) == ([entry], {})


def test_appends_count_by_their_data_not_by_what_they_repeat():
    writer = Writer()
    record = writer.create("", extras={"header": "x" * 1000})
    before = record.size, record.length
    for _ in range(100):
        writer.change(record, MessageAction.APPEND, "ü")
    assert (record.size - before[0], record.length - before[1]) == (200, 200)
    writer.change(record, MessageAction.UPDATE, "a")
    assert record.length < before[1] + 100
