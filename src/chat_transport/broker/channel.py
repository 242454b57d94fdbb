"""A channel: takes publishes, changes and presence, logs them, and hands each entry to subscribers.

Rule: check everything first, then log, then fan out; a refused operation leaves no trace.
Source: Ably docs, channels, updates and deletes, presence; features spec RTL6, RTL32, RTP8.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Protocol

import msgspec

from chat_transport.broker.faults import Faults
from chat_transport.broker.frames import (
    Action,
    Message,
    MessageAction,
    Presence,
    PresenceAction,
    Version,
    from_wire,
    json_text,
)
from chat_transport.broker.identity import Identity
from chat_transport.broker.log import ChannelLog, Entry, Journal, Record, payload_size
from chat_transport.broker.members import Members
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import SerialClock, new_id, serial_ms
from chat_transport.broker.settings import Limits, Namespace

__all__ = ["Author", "Channel", "Subscriber", "check_channel_name"]

CHANGES = (MessageAction.UPDATE, MessageAction.DELETE, MessageAction.APPEND)
RIGHTS = {
    MessageAction.UPDATE: "message-update",
    MessageAction.APPEND: "message-update",
    MessageAction.DELETE: "message-delete",
}


class Author(msgspec.Struct, frozen=True):
    """Who does something, over which connection (None: REST), and the id its entry gets."""

    identity: Identity
    connection_id: str | None
    id: str


class Subscriber(Protocol):
    """What a channel knows of an attachment."""

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
        self._serials_by_id: OrderedDict[str, list[str]] = OrderedDict()
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

    def publish(self, author: Author, messages: list[Message]) -> list[str | None]:
        """Log messages, or one change of a message; give their serials (of the versions).

        Raises:
            Refusal: If the caller may not, or the messages are not as Ably wants them.
        """
        if not messages:
            raise Refusal(40000, 400, "nothing to publish: messages is empty")
        messages = [from_wire(message) for message in messages]
        self._check_size(messages)
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
        return self._create(author, messages)

    def _create(self, author: Author, messages: list[Message]) -> list[str | None]:
        ids = self._check_ids(messages)
        clients = [author.identity.client_id_for(message.client_id) for message in messages]
        if ids and ids[0] in self._serials_by_id:
            return list(self._serials_by_id[ids[0]])
        serial = self.clock.next()
        now = serial_ms(serial)
        claim = author.identity.user_claim(self.name)
        stamped: list[Message] = []
        for index, message in enumerate(messages):
            own = f"{serial}:{index:03d}"
            stamped.append(
                Message(
                    id=message.id or f"{author.id}:{index}",
                    name=message.name,
                    data=message.data,
                    encoding=message.encoding,
                    client_id=clients[index],
                    connection_id=author.connection_id,
                    timestamp=now,
                    extras=_with_claim(message.extras, claim),
                    serial=own,
                    action=MessageAction.CREATE,
                    version=Version(serial=own, timestamp=now, client_id=clients[index]),
                )
            )
        entry = Entry(
            serial, Action.MESSAGE, stamped, id=author.id, connection_id=author.connection_id
        )
        serials = [message.serial for message in stamped]
        if ids:
            self._serials_by_id[ids[0]] = [serial for serial in serials if serial]
            if len(self._serials_by_id) > self.limits.remembered_ids:
                self._serials_by_id.popitem(last=False)
        ephemeral = bool((stamped[0].extras or {}).get("ephemeral"))
        self.commit(entry, keep_messages=not ephemeral)
        return serials

    def _change(self, author: Author, change: Message, action: MessageAction) -> str | None:
        if not self.namespace.mutable_messages:
            raise Refusal(
                93002,
                400,
                f"unable to change a message on {self.name!r}: message interactions are not enabled"
                " for this channel's namespace; set mutableMessages for it",
            )
        if not change.serial:
            raise Refusal(40003, 400, "invalid serial: a change must name the message's serial")
        record = self.log.records.get(change.serial)
        self._check_right(author.identity, action, record)
        if record is None:
            raise Refusal(40400, 404, f"message not found; serial {change.serial!r}")
        author.identity.client_id_for(change.client_id)
        if action == MessageAction.APPEND:
            self._check_append(record, change)
        self.faults.check("append" if action == MessageAction.APPEND else "update", self.name)
        given = change.version or Version()
        operator = author.identity.client_id_for(given.client_id or change.client_id)
        serial = self.clock.next()
        version = Version(
            serial=f"{serial}:000",
            timestamp=serial_ms(serial),
            client_id=operator,
            description=given.description,
            metadata=given.metadata,
        )
        event = self._merged(author, record, change, action, version)
        self.commit(
            Entry(
                serial,
                Action.MESSAGE,
                [event],
                id=author.id,
                connection_id=author.connection_id,
                record=record,
            )
        )
        return version.serial

    def _merged(
        self,
        author: Author,
        record: Record,
        change: Message,
        action: MessageAction,
        version: Version,
    ) -> Message:
        """Give the event of a change: absent fields come from the message, a delta stays one."""
        known = record.current
        extras = known.extras
        if change.extras is not None:
            extras = _with_claim(change.extras, author.identity.user_claim(self.name))
        data, encoding = change.data, change.encoding
        if data is None and action != MessageAction.APPEND:
            data, encoding = record.message().data, known.encoding
        elif action == MessageAction.APPEND and data is not None and encoding is None:
            encoding = known.encoding if known.data is not None else None
        return Message(
            id=f"{author.id}:0",
            name=known.name if change.name is None else change.name,
            data=data,
            encoding=encoding,
            client_id=known.client_id,
            connection_id=author.connection_id,
            timestamp=known.timestamp,
            extras=extras,
            serial=record.serial,
            action=action,
            version=version,
            annotations=known.annotations,
        )

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
        self._check_size(events)
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

    def _check_size(self, items: list[Any]) -> None:
        if len(items) > self.limits.max_messages_per_frame:
            raise Refusal(40000, 400, f"too many messages in one publish: {len(items)}")
        for item in items:
            if item.extras is not None:
                json_text(item.extras)
        size = sum(payload_size(item) for item in items)
        limit = self.limits.max_message_size
        if size > limit:
            raise Refusal(
                40009,
                413,
                f"Maximum message length exceeded (size was {size} bytes, limit is {limit} bytes)",
            )

    def _check_append(self, record: Record, change: Message) -> None:
        record.check_append(change.data)
        total = record.size + payload_size(change)
        if self.limits.aggregate_counts and total > self.limits.max_message_size:
            raise Refusal(
                40009,
                413,
                f"Maximum message length exceeded (size was {total} bytes,"
                f" limit is {self.limits.max_message_size} bytes)",
            )

    @staticmethod
    def _check_ids(messages: list[Message]) -> list[str]:
        ids = [message.id for message in messages if message.id]
        if not ids:
            return []
        base = ids[0].rpartition(":")[0]
        wanted = [f"{base}:{index}" for index in range(len(messages))]
        if len(messages) > 1 and (ids != wanted or not base):
            raise Refusal(
                40031,
                400,
                "Client-specified message ids do not match the required format"
                " for multi-message ProtocolMessages",
            )
        return ids

    def _check_right(
        self, identity: Identity, action: MessageAction, record: Record | None
    ) -> None:
        right = RIGHTS[action]
        if identity.capability.allows(self.name, f"{right}-any"):
            return
        identity.capability.require(self.name, f"{right}-own")
        caller = identity.concrete_client_id
        if caller is None:
            verb = "delete" if action == MessageAction.DELETE else "update"
            raise Refusal(
                40166,
                401,
                f"Unable to {verb} message: anonymous clients require the '{right}-any' capability",
            )
        if record is not None and record.current.client_id != caller:
            raise Refusal(
                40160, 401, f"operation not permitted; the message is not one of {caller!r}"
            )


def _with_claim(extras: dict[str, Any] | None, claim: str | None) -> dict[str, Any] | None:
    """Give extras with the server's word on the user, and never the client's own."""
    if claim is None and (extras is None or "userClaim" not in extras):
        return extras
    rest = {name: value for name, value in (extras or {}).items() if name != "userClaim"}
    return rest if claim is None else {**rest, "userClaim": claim}
