"""The rules of a publish and of a change: sizes, ids, rights, and what is stamped. Pure.

Rule: identity fields stay those of the create (serial, timestamp, clientId); who changed a message,
and when, stands in its version. What a change leaves out is carried forward.
Source: Ably docs, publishing, updates and deletes (version structure), user claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chat_transport.broker.frames import Message, MessageAction, Payload, Version, json_text
from chat_transport.broker.identity import Identity
from chat_transport.broker.log import Record, data_size, payload_size
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import serial_ms
from chat_transport.broker.settings import Limits

__all__ = [
    "FORCED_NACK",
    "Author",
    "check_append",
    "check_ids",
    "check_right",
    "check_size",
    "merge",
    "stamp",
]

RIGHTS = {
    MessageAction.UPDATE: "message-update",
    MessageAction.APPEND: "message-update",
    MessageAction.DELETE: "message-delete",
}


FORCED_NACK = Refusal(40099, 400, "Force nack param passed")
"""What the cloud answers to the publish param `_forceNack`: a hook for tests of clients."""


class Author(msgspec.Struct, frozen=True):
    """Who does something, over which connection (None: REST), and the id its entry gets."""

    identity: Identity
    connection_id: str | None
    id: str


def _too_long(size: int, limit: int) -> Refusal:
    return Refusal(
        40009,
        413,
        f"Maximum message length exceeded (size was {size} bytes, limit is {limit} bytes)",
    )


def check_size(items: Sequence[Payload], limits: Limits) -> None:
    """Raise if a publish is too large (40009), or its extras cannot be written (40000)."""
    if len(items) > limits.max_messages_per_frame:
        raise Refusal(40000, 400, f"too many messages in one publish: {len(items)}")
    for item in items:
        if item.extras is not None:
            json_text(item.extras)
    size = sum(payload_size(item) for item in items)
    if size > limits.max_message_size:
        raise _too_long(size, limits.max_message_size)


def check_append(record: Record, change: Message, limits: Limits) -> None:
    """Raise if this data cannot be put behind the message's (40000, 40009)."""
    record.check_append(change.data)
    total = record.length + data_size(change.data)
    limit = limits.max_message_size if limits.aggregate_counts else limits.max_aggregate_size
    if total > limit:
        raise _too_long(total, limit)


def check_ids(messages: list[Message]) -> list[str]:
    """Give the ids that the client chose; none, or one for each message.

    Raises:
        Refusal: If several are not `base:0`, `base:1` and so on (40031).
    """
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


def check_right(
    identity: Identity, action: MessageAction, record: Record | None, channel: str
) -> None:
    """Raise unless the caller may change this message (40160, 40166)."""
    right = RIGHTS[action]
    if identity.capability.allows(channel, f"{right}-any"):
        return
    identity.capability.require(channel, f"{right}-own")
    caller = identity.concrete_client_id
    if caller is None:
        verb = "delete" if action == MessageAction.DELETE else "update"
        raise Refusal(
            40166,
            401,
            f"Unable to {verb} message: anonymous clients require the '{right}-any' capability",
        )
    if record is not None and record.current.client_id != caller:
        raise Refusal(40160, 401, f"operation not permitted; the message is not one of {caller!r}")


def stamp(
    messages: list[Message],
    clients: list[str | None],
    serial: str,
    author: Author,
    channel: str,
) -> list[Message]:
    """Give new messages with serial, version, time, author and the server's word on the user."""
    now = serial_ms(serial)
    claim = author.identity.user_claim(channel)
    stamped: list[Message] = []
    for index, (message, client_id) in enumerate(zip(messages, clients, strict=True)):
        own = f"{serial}:{index:03d}"
        stamped.append(
            Message(
                id=message.id or f"{author.id}:{index}",
                name=message.name,
                data=message.data,
                encoding=message.encoding,
                client_id=client_id,
                connection_id=author.connection_id,
                timestamp=now,
                extras=with_claim(message.extras, claim),
                serial=own,
                action=MessageAction.CREATE,
                version=Version(serial=own, timestamp=now, client_id=client_id),
            )
        )
    return stamped


def merge(
    record: Record,
    change: Message,
    action: MessageAction,
    version: Version,
    *,
    author: Author,
    channel: str,
) -> Message:
    """Give the event of a change: absent fields come from the message, a delta stays a delta."""
    known = record.current
    extras = known.extras
    if change.extras is not None:
        extras = with_claim(change.extras, author.identity.user_claim(channel))
    data, encoding = change.data, change.encoding
    if action == MessageAction.APPEND:
        if data is not None and encoding is None and record.has_data:
            encoding = known.encoding
    elif data is None:
        data, encoding = record.message().data, known.encoding
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


def with_claim(extras: dict[str, Any] | None, claim: str | None) -> dict[str, Any] | None:
    """Give extras with the server's word on the user, and never the client's own."""
    if claim is None and (extras is None or "userClaim" not in extras):
        return extras
    rest = {name: value for name, value in (extras or {}).items() if name != "userClaim"}
    return rest if claim is None else {**rest, "userClaim": claim}
