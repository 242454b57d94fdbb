"""A channel: takes publishes, changes and presence, logs them, and hands each entry to subscribers.

Rule: check everything first, then log, then fan out; a refused operation leaves no trace.
Source: Ably docs, channels, updates and deletes, presence; features spec RTL6, RTL32, RTP8.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Protocol

import msgspec

from chat_transport.broker.annotations import check_annotation
from chat_transport.broker.faults import Faults
from chat_transport.broker.frames import (
    Action,
    Annotation,
    Flag,
    Message,
    MessageAction,
    Presence,
    PresenceAction,
    Version,
    from_wire,
)
from chat_transport.broker.log import ChannelLog, Entry, Journal, Record
from chat_transport.broker.members import Members
from chat_transport.broker.publishing import (
    Author,
    check_append,
    check_ids,
    check_right,
    check_size,
    merge,
    stamp,
)
from chat_transport.broker.rates import RateMeter
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import SerialClock, is_channel_serial, new_id, serial_ms
from chat_transport.broker.settings import Limits, Namespace

__all__ = ["Channel", "Subscriber", "check_channel_name"]

CHANGES = (MessageAction.UPDATE, MessageAction.DELETE, MessageAction.APPEND)


class Subscriber(Protocol):
    """What a channel knows of an attachment."""

    modes: Flag

    def deliver(self, entry: Entry) -> None:
        """Take the next entry."""
        ...


def check_channel_name(name: str | None) -> str:
    """Give the name back.

    Raises:
        Refusal: If Ably would not take it as a channel's name (40010).
    """
    if not name or len(name) > 2048 or name[0] in ":,[" or name[0].isspace():
        raise Refusal(40010, 400, f"invalid channel name: {name!r}")
    if "\n" in name or "\r" in name or "*" in name.partition(":")[0] * (":" in name):
        raise Refusal(40010, 400, f"invalid channel name: {name!r}")
    return name


class Channel:
    """One channel of one app."""

    def __init__(
        self,
        name: str,
        namespace: Namespace,
        *,
        clock: SerialClock,
        limits: Limits,
        faults: Faults,
        horizon: str | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.limits = limits
        self.clock = clock
        self.faults = faults
        self.log = ChannelLog(clock.next(), limits, floor=horizon, journal=journal)
        self.members = Members(limits.members_per_channel)
        self.subscribers: dict[Subscriber, None] = {}
        self.presence_history: deque[Presence] = deque(maxlen=1000)
        self._serials_by_id: OrderedDict[str, list[str | None]] = OrderedDict()
        self._rate = RateMeter(42913, "channel.maxRate")
        for entry in self.log.entries:
            if entry.kind == Action.PRESENCE:
                self.presence_history.extend(entry.items)

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if the channel were forgotten."""
        return not (self.subscribers or self.log.records or self.log.entries or len(self.members))

    def idle_since(self, now_ms: int) -> int:
        """Give the milliseconds since anything was logged."""
        return now_ms - serial_ms(self.log.head)

    def now(self) -> str:
        """Give a serial for this moment: what comes is after it, all that was before it."""
        self.log.head = self.clock.next()
        return self.log.head

    def can_continue(self, serial: str) -> bool:
        """Say whether a client that knows all up to this serial can go on without loss.

        After a restart a serial may lie above the log: the last process gave it out and logged
        nothing after it. What comes now must then lie above it.
        """
        if not is_channel_serial(serial) or serial < self.log.floor:
            return False
        if serial > self.log.head:
            if not self.clock.has_reached(serial):
                return False
            self.clock.advance_past(serial)
            self.log.head = serial
        return True

    def publish(self, author: Author, messages: list[Message]) -> list[str | None]:
        """Log messages, or one change of a message; give their serials (of the versions).

        Raises:
            Refusal: If the caller may not, or the messages are not as Ably wants them.
        """
        if not messages:
            raise Refusal(40000, 400, "nothing to publish: messages is empty")
        messages = [from_wire(message) for message in messages]
        check_size(messages, self.limits)
        actions = [message.action or MessageAction.CREATE for message in messages]
        if actions[0] in CHANGES:
            if len(messages) > 1:
                raise Refusal(40000, 400, "a change takes exactly one message")
            return [self._change(author, messages[0], MessageAction(actions[0]))]
        if any(action != MessageAction.CREATE for action in actions):
            raise Refusal(40003, 400, f"invalid message action in {actions}")
        author.identity.capability.require(self.name, "publish")
        if self.namespace.authenticated and not author.identity.concrete_client_id:
            raise Refusal(40161, 401, "operation not permitted as it requires an identified client")
        self.faults.check("publish", self.name)
        ids = check_ids(messages)
        clients = [author.identity.client_id_for(message.client_id) for message in messages]
        if ids and ids[0] in self._serials_by_id:
            return list(self._serials_by_id[ids[0]])
        self._check_rate(len(messages))
        serial = self.clock.next()
        stamped = stamp(messages, clients, serial, author, self.name)
        serials = [message.serial for message in stamped]
        if ids:
            self._serials_by_id[ids[0]] = serials
            if len(self._serials_by_id) > self.limits.remembered_ids:
                self._serials_by_id.popitem(last=False)
        entry = Entry(
            serial, Action.MESSAGE, stamped, id=author.id, connection_id=author.connection_id
        )
        self.commit(entry, keep_messages=not (stamped[0].extras or {}).get("ephemeral"))
        return serials

    def _change(self, author: Author, change: Message, action: MessageAction) -> str | None:
        self._require_mutable()
        if not change.serial:
            raise Refusal(40003, 400, "invalid serial: a change must name the message's serial")
        record = self.log.records.get(change.serial)
        check_right(author.identity, action, record, self.name)
        if record is None:
            raise Refusal(40400, 404, f"message not found; serial {change.serial!r}")
        given = change.version or Version()
        operator = author.identity.client_id_for(given.client_id or change.client_id)
        if action == MessageAction.APPEND:
            check_append(record, change, self.limits)
        self.faults.check("append" if action == MessageAction.APPEND else "update", self.name)
        self._check_rate(1)
        serial = self.clock.next()
        version = Version(
            serial=f"{serial}:000",
            timestamp=serial_ms(serial),
            client_id=operator,
            description=given.description,
            metadata=given.metadata,
        )
        event = merge(record, change, action, version, author=author, channel=self.name)
        connection_id = author.connection_id
        self.commit(
            Entry(
                serial,
                Action.MESSAGE,
                [event],
                id=author.id,
                connection_id=connection_id,
                record=record,
            )
        )
        return version.serial

    def annotate(self, author: Author, annotations: list[Annotation]) -> list[str | None]:
        """Log annotations of messages, and tell subscribers the new sums; give their serials.

        Raises:
            Refusal: If the caller may not, or a message or type is unknown.
        """
        self._require_mutable()
        author.identity.capability.require(self.name, "annotation-publish")
        annotations = [
            msgspec.structs.replace(
                from_wire(item), client_id=author.identity.client_id_for(item.client_id)
            )
            for item in annotations
        ]
        check_size(annotations, self.limits)
        for item in annotations:
            check_annotation(item)
            if item.message_serial not in self.log.records:
                raise Refusal(40400, 404, f"message not found; serial {item.message_serial!r}")
        serials: list[str | None] = []
        for index, item in enumerate(annotations):
            record = self.log.records[item.message_serial or ""]
            serial = self.clock.next()
            stamped = msgspec.structs.replace(
                item,
                id=item.id or f"{author.id}:{index}",
                action=item.action or 0,
                connection_id=author.connection_id,
                serial=f"{serial}:000",
                timestamp=serial_ms(serial),
            )
            record.annotations.add(stamped)
            connection_id = author.connection_id
            self.commit(
                Entry(
                    serial,
                    Action.ANNOTATION,
                    [stamped],
                    id=author.id,
                    connection_id=connection_id,
                    record=record,
                )
            )
            self._tell_summary(record, author)
            serials.append(stamped.serial)
        return serials

    def _tell_summary(self, record: Record, author: Author) -> None:
        summary = record.annotations.summary()
        record.annotate(summary)
        known = record.current
        event = Message(
            id=f"{author.id}:0",
            name=known.name,
            client_id=known.client_id,
            timestamp=known.timestamp,
            serial=record.serial,
            action=MessageAction.SUMMARY,
            version=known.version,
            annotations={"summary": summary},
        )
        serial = self.clock.next()
        self.commit(
            Entry(serial, Action.MESSAGE, [event], id=author.id, connection_id=None, record=record)
        )

    def _require_mutable(self) -> None:
        if not self.namespace.mutable_messages:
            raise Refusal(
                93002,
                400,
                f"unable to change a message on {self.name!r}: message interactions are not enabled"
                " for this channel's namespace; set mutableMessages for it",
            )

    def _check_rate(self, count: int) -> None:
        rate = self.faults.settings.rate_per_second or self.limits.rate_per_second
        if rate:
            self._rate.take(count, rate, self.clock.now_ms())

    def commit(self, entry: Entry, *, keep_messages: bool = True) -> None:
        """Log an entry and hand it to every subscriber."""
        self.log.add(entry, keep_messages=keep_messages)
        for subscriber in tuple(self.subscribers):
            subscriber.deliver(entry)

    def set_presence(self, author: Author, events: list[Presence]) -> None:
        """Apply presence events of a connection.

        Raises:
            Refusal: If the caller may not, names no client, or the channel is full.
        """
        author.identity.capability.require(self.name, "presence")
        self.faults.check("presence", self.name)
        for event in events:
            if event.action not in (
                PresenceAction.ENTER,
                PresenceAction.UPDATE,
                PresenceAction.LEAVE,
            ):
                raise Refusal(40003, 400, f"invalid presence action {event.action!r}")
        events = [from_wire(event) for event in events]
        check_size(events, self.limits)
        clients = [author.identity.client_id_for(event.client_id) for event in events]
        if any(client is None for client in clients):
            raise Refusal(91000, 400, "unable to enter presence channel (no clientId)")
        stamped = [
            Presence(
                action=event.action,
                id=f"{author.id}:{index}",
                client_id=client,
                connection_id=author.connection_id,
                data=event.data,
                encoding=event.encoding,
                timestamp=self.clock.now_ms(),
                extras=event.extras,
            )
            for index, (event, client) in enumerate(zip(events, clients, strict=True))
        ]
        self.announce([event for event in stamped if self._applies(event)], author)

    def _applies(self, event: Presence) -> bool:
        """Apply an event; False if nobody needs to hear of it (ably-python re-enters often)."""
        assert event.connection_id is not None
        assert event.client_id is not None
        known = self.members.get((event.connection_id, event.client_id))
        if event.action == PresenceAction.LEAVE and known is not None and event.data is None:
            event.data, event.encoding = known.data, known.encoding
        changed = self.members.apply(event)
        return changed and not (
            event.action == PresenceAction.ENTER
            and known is not None
            and (known.data, known.encoding) == (event.data, event.encoding)
        )

    def remove_members(self, keys: list[tuple[str, str]]) -> None:
        """Let members leave whose connection is gone or has detached."""
        events: list[Presence] = []
        base = f"leave-{new_id(8)}"
        for connection_id, client_id in keys:
            known = self.members.get((connection_id, client_id))
            if known is None:
                continue
            leave = msgspec.structs.replace(
                known,
                action=PresenceAction.LEAVE,
                id=f"{base}:0:{len(events)}",
                timestamp=self.clock.now_ms(),
            )
            self.members.apply(leave)
            events.append(leave)
        for event in events:
            self.announce([event], None, id=base, connection_id=event.connection_id)

    def announce(
        self,
        events: list[Presence],
        author: Author | None,
        *,
        id: str = "",  # noqa: A002 - the wire's word
        connection_id: str | None = None,
    ) -> None:
        """Log presence events and hand them to subscribers."""
        if not events:
            return
        self.presence_history.extend(events)
        self.commit(
            Entry(
                self.clock.next(),
                Action.PRESENCE,
                list(events),
                id=author.id if author else f"{id}:0",
                connection_id=author.connection_id if author else connection_id,
            )
        )
