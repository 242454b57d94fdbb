"""An attachment: one socket's view of one channel, from its start point to live.

Rule: what was sent on this socket is never sent again, and the first that a subscriber hears of a
message is the whole message; only then come deltas.
Source: Ably docs, channel options (rewind, modes, echo, appendMode); spec RTL4, RTL13, RTP18.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from chat_transport.broker.capability import Capability
from chat_transport.broker.channel import Channel
from chat_transport.broker.conflation import Conflation
from chat_transport.broker.faults import Faults
from chat_transport.broker.frames import (
    Action,
    Flag,
    Frame,
    Message,
    MessageAction,
    Presence,
    encode_frame,
)
from chat_transport.broker.log import Entry, Record, payload_size
from chat_transport.broker.refusal import ErrorWords, Refusal
from chat_transport.broker.reordering import Reordering
from chat_transport.broker.serials import new_id

__all__ = ["Attachment", "Outlet", "modes_for"]

DEFAULT_MODES = (
    Flag.PRESENCE
    | Flag.PUBLISH
    | Flag.SUBSCRIBE
    | Flag.PRESENCE_SUBSCRIBE
    | Flag.ANNOTATION_PUBLISH
)
OPERATIONS = {
    Flag.PRESENCE: "presence",
    Flag.PUBLISH: "publish",
    Flag.SUBSCRIBE: "subscribe",
    Flag.PRESENCE_SUBSCRIBE: "subscribe",
    Flag.ANNOTATION_PUBLISH: "annotation-publish",
    Flag.ANNOTATION_SUBSCRIBE: "annotation-subscribe",
    Flag.OBJECT_SUBSCRIBE: "object-subscribe",
    Flag.OBJECT_PUBLISH: "object-publish",
}
MODE_NAMES = {str(flag.name).lower(): flag for flag in OPERATIONS}
ALL_MODES = sum(OPERATIONS)
PARAMS = ("rewind", "rewindLimit", "echo", "appendMode", "modes", "delta")
SYNC_PAGE = 100
SYNC_BYTES = 131_072
"""Bytes of data in one SYNC: with names and base64 it stays far below a frame's limit."""
REWIND = re.compile(r"^(\d{1,6})([sm]?)$")
EXPIRED = ErrorWords(90003, 404, "Unable to recover channel (messages expired)")
TOO_MANY = ErrorWords(90004, 404, "Unable to recover channel (message limit exceeded)")


class Outlet(Protocol):
    """What an attachment needs of the socket."""

    binary: bool
    echo: bool

    @property
    def connection_id(self) -> str:
        """Whose socket it is."""
        ...

    def after(self, delay_ms: int, call: Callable[[], None]) -> object:
        """Call back later."""
        ...

    def send(self, frame: Frame) -> None:
        """Queue a frame."""
        ...

    def send_encoded(self, payload: str | bytes) -> None:
        """Queue a frame that was encoded before."""
        ...


def modes_for(channel: str, flags: int, params: dict[str, str], capability: Capability) -> Flag:
    """Give the modes that were asked for and are permitted.

    Raises:
        Refusal: If none is (40160), or a mode is unknown (40000).
    """
    asked = Flag(flags & ALL_MODES)
    if "modes" in params:
        asked = Flag(0)
        for name in filter(None, params["modes"].split(",")):
            if name.strip().lower() not in MODE_NAMES:
                raise Refusal(40000, 400, f"unknown channel mode {name!r}")
            asked |= MODE_NAMES[name.strip().lower()]
    asked = asked or DEFAULT_MODES
    granted = Flag(0)
    for flag, operation in OPERATIONS.items():
        if flag in asked and capability.allows(channel, operation):
            granted |= flag
    if not granted:
        raise Refusal(
            40160, 401, f"operation not permitted with provided capability; attach to {channel!r}"
        )
    return granted


class Attachment:
    """The subscription of one socket to one channel."""

    def __init__(self, outlet: Outlet, channel: Channel, name: str, faults: Faults) -> None:
        self.outlet = outlet
        self.channel = channel
        self.name = name
        """The channel's name as the client wrote it; it may carry `[?params]`."""
        self.modes = Flag(0)
        self.params: dict[str, str] = {}
        self.echo = True
        self.whole = False
        """Whether appends come as whole messages (appendMode=full)."""
        self._asked: tuple[int, dict[str, str]] = (0, {})
        self._faults = faults
        self._appends = 0
        self._sent = 0
        self._conflation = Conflation(faults, outlet.after, self._send)
        self._reordering = Reordering(faults, outlet.after, self._deliver)
        self._seen: dict[str, str] = {}
        """Newest version sent of each message."""

    def configure(self, flags: int, params: dict[str, str], capability: Capability) -> None:
        """Take modes and params, new or changed.

        Raises:
            Refusal: If no mode is permitted (40160).
        """
        self.modes = modes = modes_for(self.channel.name, flags, params, capability)
        self._asked = flags, params
        self.params = {name: params[name] for name in PARAMS if name in params}
        if "modes" in self.params:
            self.params["modes"] = ",".join(
                name for name, flag in MODE_NAMES.items() if flag in modes
            )
        self.echo = self.params.get("echo", "true") != "false"
        self.whole = self.params.get("appendMode") == "full"

    def review(self, capability: Capability) -> None:
        """Take the modes that a new token permits, of those that were asked for.

        Raises:
            Refusal: If that is none (40160).
        """
        self.configure(*self._asked, capability)

    def start(self, serial: str | None, *, is_resume: bool) -> None:
        """Answer ATTACH: say where delivery starts, give members and backlog, then go live."""
        error: ErrorWords | None = None
        log = self.channel.log
        flags = Flag(0)
        backlog: list[Entry] | list[Record] = []
        position = log.head if serial else self.channel.now()
        if serial:
            if self.channel.can_continue(serial):
                flags |= Flag.RESUMED
                backlog, position = log.after(serial), serial
            else:
                error = EXPIRED
                backlog, position = log.after(log.floor), log.floor
            if len(backlog) > log.limits.replay_limit:
                backlog, error = backlog[-log.limits.replay_limit :], TOO_MANY
                flags &= ~Flag.RESUMED
        elif "rewind" in self.params and not is_resume:
            backlog, error = self._rewound()
            if backlog:
                position = _serial_before(backlog[0].serial)
        if not Flag.SUBSCRIBE & self.modes:
            backlog, position = [], log.head
        if backlog:
            flags |= Flag.HAS_BACKLOG
        self.attached(flags, position, error)
        self._replay(backlog)

    def attached(self, flags: Flag, position: str, error: ErrorWords | None = None) -> None:
        """Send ATTACHED and, if there are members, the set of them."""
        self._reordering.flush()  # what waits is older than the position that is named
        self._conflation.flush()
        members = len(self.channel.members) and Flag.PRESENCE_SUBSCRIBE in self.modes
        if members:
            flags |= Flag.HAS_PRESENCE
        self.outlet.send(
            Frame(
                Action.ATTACHED,
                channel=self.name,
                channel_serial=position,
                flags=int(flags | self.modes),
                params=self.params or None,
                error=error,
            )
        )
        if members:
            self.sync()

    def sync(self) -> None:
        """Send the presence set, in pages."""
        sync_id = new_id(8)
        pages = _sync_pages(self.channel.members.present())
        for number, page in enumerate(pages, 1):
            cursor = number if number < len(pages) else ""
            self.outlet.send(
                Frame(
                    Action.SYNC,
                    channel=self.name,
                    channel_serial=f"{sync_id}:{cursor}",
                    timestamp=self.channel.clock.now_ms(),
                    presence=page,
                )
            )

    def deliver(self, entry: Entry) -> None:
        """Send a live entry, unless the modes or echo=false keep it out."""
        self._reordering.take(entry)

    def _deliver(self, entry: Entry) -> None:
        if self._conflation.entries and not self._conflation.takes(entry):
            self._conflation.flush()
        if entry.kind == Action.MESSAGE:
            self._deliver_message(entry)
        elif entry.kind == Action.PRESENCE:
            if Flag.PRESENCE_SUBSCRIBE in self.modes:
                self._send(entry, entry.items, "")
        elif Flag.ANNOTATION_SUBSCRIBE in self.modes:
            self._send(entry, entry.items, "")

    def _deliver_message(self, entry: Entry) -> None:
        if Flag.SUBSCRIBE not in self.modes:
            return
        if not (self.echo and self.outlet.echo) and (
            entry.connection_id == self.outlet.connection_id
        ):
            return
        record = entry.record
        if record is None:
            for message in entry.items:
                self._saw(message.serial, message.serial)
            self._send(entry, entry.items, "")
            return
        if entry.items[0].action == MessageAction.SUMMARY:
            self._send(entry, entry.items, "")
            return
        version = entry.items[0].version.serial
        known = self._seen.get(record.serial)
        if known is not None and version <= known:
            return
        if entry.is_append and (known is None or self.whole or self._aggregates()):
            self._conflation.flush()  # or its deltas would follow the whole that holds them
            version = record.version_serial
            self._saw(record.serial, version)
            self._send(entry, [record.message()], version)
            return
        self._saw(record.serial, version)
        if entry.is_append and self._faults.settings.conflate > 1:
            self._conflation.add(entry)
        else:
            self._send(entry, entry.items, "")

    def _aggregates(self) -> bool:
        """Whether a fault switch wants the whole message now."""
        every = int(self._faults.settings.aggregates)
        self._appends += 1
        return every > 0 and self._appends % every == 0

    def _saw(self, serial: str, version: str) -> None:
        seen = self._seen
        seen[serial] = version
        if len(seen) > self.channel.limits.history_count:
            del seen[next(iter(seen))]

    def _send(self, entry: Entry, items: list[Any], variant: str) -> None:
        """Send an entry; what is encoded once serves every subscriber of the same kind."""
        outlet = self.outlet
        key = (outlet.binary, variant, self.name)
        payload = entry.encoded.get(key)
        if payload is None:
            frame = Frame(
                entry.kind,
                id=entry.id,
                channel=self.name,
                channel_serial=entry.serial,
                connection_id=entry.connection_id,
                timestamp=items[0].timestamp,
            )
            setattr(frame, FIELDS[entry.kind], items)
            payload = entry.encoded[key] = encode_frame(frame, binary=outlet.binary)
        outlet.send_encoded(payload)
        if entry.kind == Action.MESSAGE and self._is_doubled():
            outlet.send_encoded(payload)

    def _is_doubled(self) -> bool:
        """Whether a fault switch wants this delivery twice."""
        every = self._faults.settings.duplicates
        self._sent += 1
        return every > 0 and self._sent % every == 0

    def _replay(self, backlog: list[Entry] | list[Record]) -> None:
        grown = {
            entry.record.serial
            for entry in backlog
            if isinstance(entry, Entry) and entry.record is not None and entry.is_append
        }
        for item in backlog:
            if isinstance(item, Record):
                self._send_record(item)
            elif item.kind == Action.MESSAGE:
                self._replay_message(item, grown)
            elif item.kind == Action.ANNOTATION:
                self._deliver(item)

    def _replay_message(self, entry: Entry, grown: set[str]) -> None:
        """Send a past entry; a message that grew since comes once, as it is now."""
        record = entry.record
        if record is None or record.serial not in grown:
            self._deliver_message(entry)
        elif entry.is_append:
            known = self._seen.get(record.serial)
            if known is None or known < entry.items[0].version.serial:
                self._seen.pop(record.serial, None)
                self._deliver_message(entry)

    def _send_record(self, record: Record) -> None:
        message: Message = record.message()
        self._saw(record.serial, record.version_serial)
        self.outlet.send(
            Frame(
                Action.MESSAGE,
                id=(message.id or "").rpartition(":")[0] or None,
                channel=self.name,
                channel_serial=record.serial[:-4],
                connection_id=message.connection_id,
                timestamp=message.timestamp,
                messages=[message],
            )
        )

    def _rewound(self) -> tuple[list[Record], ErrorWords | None]:
        """Give the messages that `rewind` asks for.

        Raises:
            Refusal: If rewind or rewindLimit cannot be read (40000).
        """
        match = REWIND.match(self.params["rewind"])
        limit_text = self.params.get("rewindLimit", "")
        if match is None or not (limit_text.isdigit() or not limit_text):
            raise Refusal(
                40000, 400, f"invalid rewind {self.params['rewind']!r} or limit {limit_text!r}"
            )
        number, unit = int(match.group(1)), match.group(2)
        log = self.channel.log
        most = min(int(limit_text or log.limits.rewind_limit), log.limits.rewind_limit)
        if not unit:
            picked = log.newest(min(number, most))
            cut = number > most and len(log.order) > most and not limit_text
            return picked, TOO_MANY if cut else None
        since = self.channel.clock.now_ms() - number * (60_000 if unit == "m" else 1000)
        picked = log.newest(most + 1, since)
        return picked[-most:], TOO_MANY if len(picked) > most and not limit_text else None


FIELDS = {
    Action.MESSAGE: "messages",
    Action.PRESENCE: "presence",
    Action.ANNOTATION: "annotations",
}


def _sync_pages(members: list[Presence]) -> list[list[Presence]]:
    """Give the members in pages that fit into frames; one empty page if there are none."""
    pages: list[list[Presence]] = [[]]
    size = 0
    for member in members:
        size += payload_size(member)
        if pages[-1] and (len(pages[-1]) >= SYNC_PAGE or size > SYNC_BYTES):
            pages.append([])
            size = payload_size(member)
        pages[-1].append(member)
    return pages


def _serial_before(serial: str) -> str:
    """Give a channel serial just below this one: nothing lies between them."""
    ms, counter = int(serial[:14]), int(serial[15:18])
    if counter:
        return f"{ms:014d}-{counter - 1:03d}{serial[18:29]}"
    return f"{ms - 1:014d}-999{serial[18:29]}"
