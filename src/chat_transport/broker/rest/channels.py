"""REST resources of a channel: messages, versions, presence, status.

Source: Ably REST API reference, channels; features spec RSL, RSP, RSL11 to RSL15.
"""

from __future__ import annotations

import msgspec

from chat_transport.broker.channel import Channel
from chat_transport.broker.frames import Annotation, Flag, Message
from chat_transport.broker.log import HistoryQuery, Record
from chat_transport.broker.publishing import FORCED_NACK, Author
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import Call, Reply
from chat_transport.broker.serials import new_id, serial_ms

__all__ = [
    "annotate_message",
    "change_message",
    "get_annotations",
    "get_history",
    "get_message",
    "get_presence",
    "get_presence_history",
    "get_status",
    "get_versions",
    "publish_messages",
]


def publish_messages(call: Call) -> Reply:
    """POST /channels/{c}/messages."""
    identity = call.identity()
    channel = call.app().channel(call.segments[1])
    messages, _ = call.read_many(Message)
    if "_forceNack" in call.query:
        raise FORCED_NACK
    connection_id = None
    if messages and messages[0].connection_key:
        connection_id = call.broker.connection_of_key(call.app(), messages[0].connection_key).id
    author = Author(identity, connection_id, new_id())
    serials = channel.publish(author, messages)
    known = channel.log.records.get(serials[0] or "")
    base = (known.current.id if known else messages[0].id) or f"{author.id}:0"
    return Reply(
        201,
        {
            "channel": channel.name,
            "messageId": base.rpartition(":")[0] or base,
            "serials": serials,
        },
    )


def get_history(call: Call) -> Reply:
    """GET /channels/{c}/messages, also until attach."""
    channel = call.channel_for("history")
    call.broker.faults.check("history", channel.name)
    until = call.query.get("fromSerial") or call.query.get("from_serial")
    forwards = call.forwards()
    if until:
        _check_until(call, channel, until, forwards=forwards)
    records, more = channel.log.page(
        HistoryQuery(
            limit=call.limit(),
            forwards=forwards,
            start_ms=call.number("start"),
            end_ms=call.number("end"),
            until=until,
            after=call.query.get("cursor"),
        )
    )
    return call.page([record.message() for record in records], records[-1].serial if more else None)


def _check_until(call: Call, channel: Channel, until: str, *, forwards: bool) -> None:
    if forwards:
        raise Refusal(40000, 400, "history until attach cannot be read forwards")
    if not until[:14].isdigit():
        raise Refusal(40003, 400, f"invalid serial: {until!r}")
    window = (
        call.broker.faults.settings.until_attach_window_ms
        or call.broker.limits.until_attach_window_ms
    )
    if window and call.broker.now_ms() - serial_ms(until) > window:
        raise Refusal(
            90008,
            400,
            f"Unable to get channel history: attach point not found; {channel.name!r}",
        )


def _record(call: Call) -> Record:
    channel = call.channel_for("history")
    record = channel.log.records.get(call.segments[3])
    if record is None:
        raise Refusal(40400, 404, f"message not found; serial {call.segments[3]!r}")
    return record


def get_message(call: Call) -> Reply:
    """GET /channels/{c}/messages/{serial}."""
    return Reply(200, _record(call).message())


def get_versions(call: Call) -> Reply:
    """GET /channels/{c}/messages/{serial}/versions."""
    versions = _record(call).versions()
    if "direction" in call.query and not call.forwards():
        versions = versions[::-1]
    begin = call.number("cursor") or 0
    end = begin + call.limit()
    return call.page(versions[begin:end], str(end) if end < len(versions) else None)


def change_message(call: Call) -> Reply:
    """PATCH /channels/{c}/messages/{serial}: update, delete or append."""
    identity = call.identity()
    channel = call.app().channel(call.segments[1])
    change = msgspec.structs.replace(call.read(Message), serial=call.segments[3])
    if change.action not in (1, 2, 5):
        raise Refusal(40003, 400, f"invalid action {change.action!r} for a message")
    serials = channel.publish(Author(identity, None, new_id()), [change])
    return Reply(200, {"channel": channel.name, "versionSerial": serials[0]})


def annotate_message(call: Call) -> Reply:
    """POST /channels/{c}/messages/{serial}/annotations."""
    identity = call.identity()
    channel = call.app().channel(call.segments[1])
    given, _ = call.read_many(Annotation)
    annotations = [msgspec.structs.replace(item, message_serial=call.segments[3]) for item in given]
    serials = channel.annotate(Author(identity, None, new_id()), annotations)
    return Reply(201, {"channel": channel.name, "serials": serials})


def get_annotations(call: Call) -> Reply:
    """GET /channels/{c}/messages/{serial}/annotations."""
    kept = list(_record(call).annotations.kept)
    begin = call.number("cursor") or 0
    end = begin + call.limit()
    return call.page(kept[begin:end], str(end) if end < len(kept) else None)


def get_presence(call: Call) -> Reply:
    """GET /channels/{c}/presence."""
    channel = call.channel_for("subscribe")
    members = channel.members.present(
        client_id=call.query.get("clientId"), connection_id=call.query.get("connectionId")
    )
    begin = call.number("cursor") or 0
    end = begin + call.limit()
    return call.page(members[begin:end], str(end) if end < len(members) else None)


def get_presence_history(call: Call) -> Reply:
    """GET /channels/{c}/presence/history."""
    channel = call.channel_for("history")
    start, end = call.number("start"), call.number("end")
    events = [
        event
        for event in channel.presence_history
        if (start is None or (event.timestamp or 0) >= start)
        and (end is None or (event.timestamp or 0) <= end)
    ]
    if not call.forwards():
        events.reverse()
    begin = call.number("cursor") or 0
    stop = begin + call.limit()
    return call.page(events[begin:stop], str(stop) if stop < len(events) else None)


def get_status(call: Call) -> Reply:
    """GET /channels/{c}."""
    channel = call.channel_for("channel-metadata")
    modes = [subscriber.modes for subscriber in channel.subscribers]
    metrics = {
        "connections": len(modes),
        "publishers": sum(Flag.PUBLISH in mode for mode in modes),
        "subscribers": sum(Flag.SUBSCRIBE in mode for mode in modes),
        "presenceConnections": sum(Flag.PRESENCE in mode for mode in modes),
        "presenceMembers": len(channel.members),
        "presenceSubscribers": sum(Flag.PRESENCE_SUBSCRIBE in mode for mode in modes),
    }
    # To ask makes a channel active, on the cloud too: ably-python's suite counts on it.
    status = {"isActive": True, "occupancy": {"metrics": metrics}}
    return Reply(200, {"channelId": channel.name, "name": channel.name, "status": status})
