"""A channel as data: the stream of entries, and the messages that they make. Pure.

Rule: an entry, once in the log, never changes; a message's latest state is folded from its entries.
Appended text is kept in pieces and joined when read: an append costs the same at any length.
Source: Ably docs, updates and deletes; mutable messages (append), versions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from chat_transport.broker.annotations import AnnotationSet
from chat_transport.broker.frames import Action, Annotation, Message, MessageAction, Payload
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import channel_serial_of
from chat_transport.broker.settings import Limits

__all__ = ["ChannelLog", "Entry", "HistoryQuery", "Journal", "Record", "data_size", "payload_size"]

SLACK = 256
"""Entries trimmed at a time: trimming a list costs its length."""


def data_size(data: str | bytes | None) -> int:
    """Give the bytes of data as it is sent."""
    if data is None:
        return 0
    return len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)


def payload_size(item: Payload) -> int:
    """Give the bytes that count towards the message size limit."""
    size = data_size(item.data) + data_size(item.client_id)
    if isinstance(item, Message | Annotation) and item.name:
        size += len(item.name.encode())
    if item.extras:
        size += len(msgspec.json.encode(item.extras))
    return size


class Entry:
    """One step of a channel's stream: a publish, a change, an event of presence, an annotation."""

    __slots__ = ("connection_id", "encoded", "id", "items", "kind", "record", "serial", "size")

    def __init__(
        self,
        serial: str,
        kind: Action,
        items: list[Any],
        *,
        id: str,  # noqa: A002 - the wire's word
        connection_id: str | None,
        record: Record | None = None,
    ) -> None:
        self.serial = serial
        self.kind = kind
        self.items = items
        self.id = id
        self.connection_id = connection_id
        self.record = record
        """The message that this entry changes; None for creates, presence and annotations."""
        self.size = 200 + sum(payload_size(item) for item in items)
        self.encoded: dict[tuple[bool, str, str], str | bytes] = {}
        """Wire form by (binary, variant, channel name): each is made once for all subscribers."""

    @property
    def serials(self) -> list[str | None]:
        """What the publisher was told: serials of new messages, the version of a change."""
        if self.kind == Action.PRESENCE:
            return []
        if self.record is not None and self.kind == Action.MESSAGE:
            return [self.items[0].version.serial]
        return [item.serial for item in self.items]

    @property
    def is_append(self) -> bool:
        """Whether this entry is a delta of a message."""
        return self.record is not None and self.items[0].action == MessageAction.APPEND


class Record:
    """One message: its latest state and its versions."""

    __slots__ = ("_grown", "_parts", "annotations", "current", "frozen", "length", "serial", "size")

    def __init__(self, message: Message) -> None:
        assert message.serial is not None
        self.serial: str = message.serial
        self.current = message
        self.annotations = AnnotationSet()
        self.frozen: list[Message] = []
        """Earlier versions, oldest first; a run of appends counts as one."""
        self.size = 200 + payload_size(message)
        """Bytes of all kept versions."""
        self.length = payload_size(message)
        """Bytes of the latest state."""
        self._parts: list[Any] = []
        self._grown = False
        """Whether the current version is the sum of appends."""

    @classmethod
    def restored(cls, versions: list[Message], *, is_grown: bool) -> Record:
        """Give a message back from its kept versions."""
        record = cls(versions[0])
        record.frozen, record.current = versions[:-1], versions[-1]
        record.size += sum(payload_size(version) for version in versions[1:])
        record.length = payload_size(record.current)
        record._grown = is_grown
        return record

    @property
    def is_grown(self) -> bool:
        """Whether the current version is the sum of appends."""
        return self._grown

    @property
    def version_serial(self) -> str:
        """The serial of the newest version."""
        version = self.current.version
        assert version is not None
        assert version.serial is not None
        return version.serial

    def message(self) -> Message:
        """Give the latest state as one whole message."""
        if self._parts:
            parts = self._parts
            if self.current.data is not None:
                parts.insert(0, self.current.data)
            data: Any = (b"" if isinstance(parts[0], bytes) else "").join(parts)
            self.current = msgspec.structs.replace(self.current, data=data)
            self._parts = []
        return self.current

    def versions(self) -> list[Message]:
        """Give every kept version, oldest first."""
        return [*self.frozen, self.message()]

    @property
    def has_data(self) -> bool:
        """Whether there is anything to append to."""
        return bool(self._parts) or self.current.data is not None

    def check_append(self, data: object) -> None:
        """Raise unless this data can be put behind what is there."""
        known = self._parts[0] if self._parts else self.current.data
        if data is None or known is None or type(data) is type(known):
            return
        raise Refusal(
            40000,
            400,
            f"cannot append {type(data).__name__} data to a message of {type(known).__name__}",
        )

    def append(self, delta: Message, keep: int) -> None:
        """Take a delta: its data goes behind, its other fields replace."""
        if not self._grown:
            self._freeze(keep)
            self._grown = True
        if delta.data is not None:
            self._parts.append(delta.data)
        known = self.current
        self.current = msgspec.structs.replace(
            delta,
            action=MessageAction.UPDATE,
            data=known.data,
            encoding=delta.encoding if known.data is None else known.encoding,
            annotations=known.annotations,
        )
        grown = data_size(delta.data)
        self.size += grown
        self.length += grown

    def replace(self, message: Message, keep: int) -> None:
        """Take a new whole state."""
        self._freeze(keep)
        self._grown = False
        self.current = message
        self.length = payload_size(message)
        self.size += self.length

    def annotate(self, summary: dict[str, Any]) -> None:
        """Take a new summary of annotations; this makes no version."""
        self.current = msgspec.structs.replace(self.message(), annotations={"summary": summary})

    def _freeze(self, keep: int) -> None:
        self.frozen.append(self.message())
        if len(self.frozen) > keep:
            self.size -= payload_size(self.frozen.pop(1))


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages to read. Serials compare as strings."""

    limit: int = 100
    forwards: bool = False
    start_ms: int | None = None
    end_ms: int | None = None
    until: str | None = None
    """A channel serial: nothing newer than this entry."""
    after: str | None = None
    """The last serial of the page before, exclusive."""


class ChannelLog:
    """The stream of one channel and its messages."""

    def __init__(
        self, head: str, limits: Limits, *, floor: str | None = None, journal: Journal | None = None
    ) -> None:
        self.limits = limits
        self.head = head
        """Serial of the newest entry; at first the moment of creation."""
        self.floor = head if floor is None else floor
        """Everything after this serial is still in `entries`."""
        self.history_floor = ""
        """Messages up to this serial were forgotten."""
        self.entries: list[Entry] = []
        self.records: dict[str, Record] = {}
        self.order: list[str] = []
        """Serials of `records`, ascending."""
        self.stream_bytes = 0
        self.record_bytes = 0
        self._journal = journal
        if journal is not None:
            journal.load(self)

    def add(self, entry: Entry, *, keep_messages: bool = True) -> None:
        """Take an entry with a serial above the head, and fold it into the messages."""
        assert entry.serial > self.head
        self.head = entry.serial
        if self._journal is not None:
            self._journal.add(entry, keep_messages=keep_messages)
        self.replay(entry, keep_messages=keep_messages)
        if len(self.entries) > self.limits.history_count + SLACK:
            self._trim_entries(len(self.entries) - self.limits.history_count)
        elif self.stream_bytes > self.limits.history_bytes:
            self._trim_entries(max(1, len(self.entries) // 8))
        if len(self.order) > self.limits.history_count + SLACK:
            self._trim_records(len(self.order) - self.limits.history_count)
        elif self.record_bytes > self.limits.history_bytes and len(self.order) > 1:
            self._trim_records(max(1, len(self.order) // 8))

    def replay(self, entry: Entry, *, keep_messages: bool = True) -> None:
        """Fold an entry that the journal holds already."""
        self.entries.append(entry)
        self.stream_bytes += entry.size
        if entry.kind == Action.MESSAGE:
            if entry.record is not None:
                self._change(entry.record, entry.items[0])
            elif keep_messages:
                for message in entry.items:
                    self.restore(Record(message))

    def restore(self, record: Record) -> None:
        """Put a message behind all others, unless history has forgotten it or knows it."""
        if record.serial <= self.history_floor or record.serial in self.records:
            return
        self.records[record.serial] = record
        self.order.append(record.serial)
        self.record_bytes += record.size

    def expire(self, now_ms: int) -> None:
        """Forget what is older than the retention times."""
        cutoff = f"{now_ms - self.limits.stream_retention_ms:014d}"
        self._trim_entries(bisect_left(self.entries, cutoff, key=lambda entry: entry.serial))
        cutoff = f"{now_ms - self.limits.history_retention_ms:014d}"
        self._trim_records(bisect_left(self.order, cutoff))

    @property
    def bytes(self) -> int:
        """What the stream and the messages weigh."""
        return self.stream_bytes + self.record_bytes

    def shed(self) -> None:
        """Forget the oldest eighth of everything."""
        self._trim_entries((len(self.entries) + 7) // 8)
        self._trim_records((len(self.order) + 7) // 8)

    def after(self, serial: str) -> list[Entry]:
        """Give the entries after a serial, oldest first."""
        return self.entries[bisect_right(self.entries, serial, key=lambda entry: entry.serial) :]

    def newest(self, count: int, since_ms: int | None = None) -> list[Record]:
        """Give the newest messages, oldest first, at most `count`."""
        begin = 0 if since_ms is None else bisect_left(self.order, f"{since_ms:014d}")
        begin = max(begin, len(self.order) - count)
        return [self.records[serial] for serial in self.order[begin:]]

    def page(self, query: HistoryQuery) -> tuple[list[Record], bool]:
        """Give one page of messages, and whether more follow."""
        low, high = 0, len(self.order)
        if query.start_ms is not None:
            low = bisect_left(self.order, f"{query.start_ms:014d}")
        if query.end_ms is not None:
            high = min(high, bisect_right(self.order, f"{query.end_ms:014d}~"))
        if query.until is not None:
            high = min(high, bisect_right(self.order, channel_serial_of(query.until) + "~"))
        if query.after is not None:
            if query.forwards:
                low = max(low, bisect_right(self.order, query.after))
            else:
                high = min(high, bisect_left(self.order, query.after))
        if query.forwards:
            picked = self.order[low : min(high, low + query.limit)]
        else:
            picked = self.order[max(low, high - query.limit) : high][::-1]
        return [self.records[serial] for serial in picked], len(picked) < high - low

    def backwards(self) -> Iterator[Entry]:
        """Give the stream, newest first."""
        return reversed(self.entries)

    def _change(self, record: Record, change: Message) -> None:
        if change.action == MessageAction.SUMMARY:
            record.annotate((change.annotations or {}).get("summary", {}))
            return
        assert change.version is not None
        if (change.version.serial or "") <= record.version_serial:
            return  # folded before it was kept
        before = record.size
        if change.action == MessageAction.APPEND:
            record.append(change, self.limits.versions_per_message)
        else:
            record.replace(change, self.limits.versions_per_message)
        if record.serial in self.records:
            self.record_bytes += record.size - before

    def _trim_entries(self, count: int) -> None:
        if count <= 0:
            return
        trimmed = self.entries[:count]
        self.floor = trimmed[-1].serial
        self.stream_bytes -= sum(entry.size for entry in trimmed)
        del self.entries[:count]
        if self._journal is not None:
            self._journal.trimmed(self, trimmed, [])

    def _trim_records(self, count: int) -> None:
        if count <= 0:
            return
        trimmed = self.order[:count]
        for serial in trimmed:
            self.record_bytes -= self.records.pop(serial).size
        self.history_floor = trimmed[-1]
        del self.order[:count]
        if self._journal is not None:
            self._journal.trimmed(self, [], trimmed)


class Journal(Protocol):
    """Where a log is kept beyond the process."""

    def load(self, log: ChannelLog) -> None:
        """Fill an empty log with what was kept."""
        ...

    def add(self, entry: Entry, *, keep_messages: bool) -> None:
        """Keep an entry."""
        ...

    def trimmed(self, log: ChannelLog, entries: list[Entry], records: list[str]) -> None:
        """Entries or messages were forgotten."""
        ...
