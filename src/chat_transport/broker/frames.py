"""Frames: what goes over the socket, as JSON text or msgpack bytes. No I/O here.

Rule: inside the broker binary data is `bytes`; base64 exists only in JSON, at this edge.
Null is equal to absent; unknown fields are ignored; msgSerial 0 is explicit.
Source: Ably features spec TR*, TM*, TP*, TAN*; experiments with ably 3.1.4 and ably-js 2.28.
"""

from __future__ import annotations

import base64
import binascii
from enum import IntEnum, IntFlag
from typing import Any, TypeAlias, TypeVar

import msgspec

from chat_transport.broker.refusal import ErrorWords, Refusal

__all__ = [
    "Action",
    "Annotation",
    "AuthWords",
    "ConnectionDetails",
    "Flag",
    "Frame",
    "Message",
    "MessageAction",
    "Presence",
    "PresenceAction",
    "Version",
    "decode_body",
    "decode_frame",
    "encode_body",
    "encode_content",
    "encode_frame",
    "from_wire",
    "json_text",
    "salvage",
    "to_json_form",
]


class Action(IntEnum):
    """What a frame is about (TR2)."""

    HEARTBEAT = 0
    ACK = 1
    NACK = 2
    CONNECT = 3
    CONNECTED = 4
    DISCONNECT = 5
    DISCONNECTED = 6
    CLOSE = 7
    CLOSED = 8
    ERROR = 9
    ATTACH = 10
    ATTACHED = 11
    DETACH = 12
    DETACHED = 13
    PRESENCE = 14
    MESSAGE = 15
    SYNC = 16
    AUTH = 17
    ACTIVATE = 18
    OBJECT = 19
    OBJECT_SYNC = 20
    ANNOTATION = 21
    PING = 22
    PONG = 23


class Flag(IntFlag):
    """Bits of ATTACH and ATTACHED (TR3)."""

    HAS_PRESENCE = 1 << 0
    HAS_BACKLOG = 1 << 1
    RESUMED = 1 << 2
    TRANSIENT = 1 << 4
    ATTACH_RESUME = 1 << 5
    HAS_OBJECTS = 1 << 7
    PRESENCE = 1 << 16
    PUBLISH = 1 << 17
    SUBSCRIBE = 1 << 18
    PRESENCE_SUBSCRIBE = 1 << 19
    ANNOTATION_PUBLISH = 1 << 21
    ANNOTATION_SUBSCRIBE = 1 << 22
    OBJECT_SUBSCRIBE = 1 << 24
    OBJECT_PUBLISH = 1 << 25


class MessageAction(IntEnum):
    """What a message does (TM5)."""

    CREATE = 0
    UPDATE = 1
    DELETE = 2
    META = 3
    SUMMARY = 4
    APPEND = 5


class PresenceAction(IntEnum):
    """What a presence message does (TP2)."""

    ABSENT = 0
    PRESENT = 1
    ENTER = 2
    LEAVE = 3
    UPDATE = 4


class Version(msgspec.Struct, omit_defaults=True, rename="camel"):
    """Which version of a message this is, who made it and when (TM2s)."""

    serial: str | None = None
    timestamp: int | float | None = None
    client_id: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None


class Message(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A message as it is published, stored and delivered (TM2)."""

    id: str | None = None
    name: str | None = None
    data: Any = None
    encoding: str | None = None
    client_id: str | None = None
    connection_id: str | None = None
    timestamp: int | float | None = None
    extras: dict[str, Any] | None = None
    serial: str | None = None
    action: int | None = None
    version: Version | None = None
    annotations: dict[str, Any] | None = None
    connection_key: str | None = None
    """Only inbound over REST: the connection on whose behalf the message is published."""


class Presence(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A change or a state of one presence member (TP3)."""

    action: int | None = None
    id: str | None = None
    client_id: str | None = None
    connection_id: str | None = None
    data: Any = None
    encoding: str | None = None
    timestamp: int | float | None = None
    extras: dict[str, Any] | None = None


class Annotation(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A reaction to a message (TAN2)."""

    action: int | None = None
    id: str | None = None
    type: str | None = None
    name: str | None = None
    count: int | None = None
    data: Any = None
    encoding: str | None = None
    client_id: str | None = None
    connection_id: str | None = None
    timestamp: int | float | None = None
    message_serial: str | None = None
    serial: str | None = None
    extras: dict[str, Any] | None = None


class AuthWords(msgspec.Struct, omit_defaults=True, rename="camel"):
    """The token inside an AUTH frame."""

    access_token: str | None = None


class ConnectionDetails(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What CONNECTED tells a client about its connection (CD2)."""

    client_id: str | None = None
    connection_key: str | None = None
    max_message_size: int | None = None
    max_frame_size: int | None = None
    max_inbound_rate: int | None = None
    connection_state_ttl: int | None = None
    max_idle_interval: int | None = None
    server_id: str | None = None
    site_code: str | None = None


class Frame(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A ProtocolMessage (TR4)."""

    action: int
    id: str | None = None
    channel: str | None = None
    channel_serial: str | None = None
    connection_id: str | None = None
    connection_key: str | None = None
    connection_details: ConnectionDetails | None = None
    timestamp: int | float | None = None
    msg_serial: int | None = None
    count: int | None = None
    flags: int | None = None
    params: dict[str, Any] | None = None
    error: ErrorWords | None = None
    auth: AuthWords | None = None
    messages: list[Message] | None = None
    presence: list[Presence] | None = None
    annotations: list[Annotation] | None = None
    res: list[dict[str, Any]] | None = None


Payload: TypeAlias = Message | Presence | Annotation
T = TypeVar("T")
P = TypeVar("P", Message, Presence, Annotation)

_json_frame = msgspec.json.Decoder(Frame)
_msgpack_frame = msgspec.msgpack.Decoder(Frame)
_json_encoder = msgspec.json.Encoder()
_msgpack_encoder = msgspec.msgpack.Encoder()


def decode_frame(payload: str | bytes) -> Frame:
    """Give the frame in a text (JSON) or binary (msgpack) WebSocket message.

    Raises:
        Refusal: If it is not JSON or msgpack, or a field has a wrong type (40000).
    """
    try:
        if isinstance(payload, str):
            frame = _json_frame.decode(payload)
        else:
            frame = _msgpack_frame.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        raise Refusal(40000, 400, f"malformed frame: {error}") from error
    return frame


def encode_frame(frame: Frame, *, binary: bool) -> str | bytes:
    """Give the WebSocket message of a frame, text unless `binary`."""
    if binary:
        return _msgpack_encoder.encode(frame)
    for name in ("messages", "presence", "annotations"):
        items: list[Payload] | None = getattr(frame, name)
        if items and any(isinstance(item.data, bytes) for item in items):
            frame = msgspec.structs.replace(frame, **{name: [to_json_form(item) for item in items]})
    return _json_encoder.encode(frame).decode()


def encode_content(frame: Frame) -> bytes:
    """Give what makes two operations the same: action, channel and items.

    Raises:
        Refusal: If it holds what cannot be encoded again, such as a number of 70 bits (40000).
    """
    content = (frame.action, frame.channel, frame.messages, frame.presence, frame.annotations)
    try:
        return _msgpack_encoder.encode(content)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Refusal(40000, 400, f"content cannot be encoded: {error}") from error


def decode_body(body: bytes, kind: type[T], *, binary: bool) -> T:
    """Give the typed content of a request body.

    Raises:
        Refusal: If the body is not what the resource takes (40000).
    """
    try:
        if binary:
            return msgspec.msgpack.decode(body, type=kind)
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        raise Refusal(40000, 400, f"malformed request body: {error}") from error


def encode_body(value: object, *, binary: bool) -> bytes:
    """Give the response body for a value; messages inside lists are transcoded."""
    if binary:
        return _msgpack_encoder.encode(value)
    if isinstance(value, list):
        value = [to_json_form(item) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON rows
    return _json_encoder.encode(to_json_form(value))


def to_json_form(item: T) -> T:
    """Give a message-like item with binary data as base64; anything else as it is."""
    if isinstance(item, Message | Presence | Annotation) and isinstance(item.data, bytes):
        encoding = f"{item.encoding}/base64" if item.encoding else "base64"
        text = base64.b64encode(item.data).decode()
        return msgspec.structs.replace(item, data=text, encoding=encoding)
    return item


def from_wire(item: P) -> P:
    """Give an inbound item with base64 undone and JSON values as text.

    Raises:
        Refusal: If `data` is a bare number or boolean, or base64 that is none (40013).
    """
    data = item.data
    if isinstance(data, str):
        if item.encoding is None or not item.encoding.endswith("base64"):
            return item
        rest = item.encoding[: -len("base64")].rstrip("/") or None
        try:
            raw = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refusal(40013, 400, f"invalid base64 in message data: {error}") from error
        return msgspec.structs.replace(item, data=raw, encoding=rest)
    if data is None or isinstance(data, bytes):
        return item
    if isinstance(data, dict | list):
        encoding = f"{item.encoding}/json" if item.encoding else "json"
        return msgspec.structs.replace(item, data=json_text(data), encoding=encoding)
    raise Refusal(40013, 400, f"invalid message data or encoding: {type(data).__name__}")


def json_text(value: object) -> str:
    """Give JSON text for a value that came over a wire.

    Raises:
        Refusal: If it holds what JSON cannot say (40000).
    """
    try:
        text = _json_encoder.encode(value).decode()
        _msgpack_encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Refusal(40000, 400, f"value cannot be encoded: {error}") from error
    return text


class _Named(msgspec.Struct, rename="camel"):
    action: Any = None
    channel: Any = None
    msg_serial: Any = None


def salvage(payload: str | bytes) -> tuple[int | None, str | None, int | None]:
    """Give action, channel and msgSerial of a malformed frame, as far as they can be read."""
    try:
        if isinstance(payload, str):
            named = msgspec.json.decode(payload, type=_Named)
        else:
            named = msgspec.msgpack.decode(payload, type=_Named)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, TypeError):
        return None, None, None
    action = named.action if type(named.action) is int else None
    channel = named.channel if isinstance(named.channel, str) else None
    serial = named.msg_serial if type(named.msg_serial) is int else None
    return action, channel, serial
