"""What the broker does with each kind of frame that a client sends. No I/O here.

Rule: answers go out in the order in which the frames came, an ACK before the echo of its messages;
a frame that cannot be acknowledged is answered by an ERROR on its channel or on the connection.
Source: features spec RTL4, RTL6, RTL13, RTP8, RTC8, RTN7, RTN13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from chat_transport.broker.attachment import Attachment
from chat_transport.broker.frames import (
    Action,
    Flag,
    Frame,
    MessageAction,
    PresenceAction,
    decode_frame,
    salvage,
)
from chat_transport.broker.publishing import FORCED_NACK, Author
from chat_transport.broker.refusal import Refusal

if TYPE_CHECKING:
    from chat_transport.broker.session import Session

__all__ = ["HANDLERS", "hear", "split_qualifier"]

ACKED = (Action.MESSAGE, Action.PRESENCE, Action.ANNOTATION, Action.OBJECT)


def split_qualifier(name: str | None) -> tuple[str, dict[str, str]]:
    """Give the plain channel name and the params of `[?k=v]name`.

    Raises:
        Refusal: If it begins with another qualifier (40010).
    """
    if not name or not name.startswith("[?"):
        return name or "", {}
    query, bracket, plain = name[2:].partition("]")
    if not bracket:
        raise Refusal(40010, 400, f"invalid channel name: {name!r}")
    return plain, dict(parse_qsl(query))


def hear(session: Session, payload: str | bytes) -> None:
    """Take one WebSocket message of a client."""
    try:
        frame = decode_frame(payload)
    except Refusal as refusal:
        _answer_malformed(session, payload, refusal)
        return
    handler = HANDLERS.get(frame.action)
    if handler is None:
        return
    try:
        handler(session, frame)
    except Refusal as refusal:
        _answer_refused(session, frame.action, frame.channel, frame.msg_serial, refusal)


def _answer_malformed(session: Session, payload: str | bytes, refusal: Refusal) -> None:
    """Answer what can be named: NACK a publish, fail a channel, or fail the connection."""
    _answer_refused(session, *salvage(payload), refusal)


def _answer_refused(
    session: Session,
    action: int | None,
    channel: str | None,
    serial: int | None,
    refusal: Refusal,
) -> None:
    if action in ACKED and serial is not None and serial >= 0:
        session.connection.rollup.flush()
        session.send(Frame(Action.NACK, msg_serial=serial, count=1, error=refusal.words))
    elif channel is not None:
        session.fail_channel(channel, refusal)
    else:
        session.refuse(refusal)


def heartbeat(session: Session, frame: Frame) -> None:
    """HEARTBEAT: the same back, at once."""
    session.send(Frame(Action.HEARTBEAT, id=frame.id))


def ping(session: Session, frame: Frame) -> None:
    """PING: PONG with the same id."""
    session.send(Frame(Action.PONG, id=frame.id))


def close(session: Session, _: Frame) -> None:
    """CLOSE: the connection ends, and its members leave."""
    session.connection.rollup.flush()
    session.send(Frame(Action.CLOSED))
    session.outbox.close(1000)
    session.broker.end(session.connection)


def disconnect(session: Session, _: Frame) -> None:
    """DISCONNECT: as if the socket went away."""
    session.outbox.close(1000)


def attach(session: Session, frame: Frame) -> None:
    """ATTACH: a new attachment, or new settings of the one there is."""
    name = frame.channel or ""
    plain, params = split_qualifier(frame.channel)
    params |= {key: str(value) for key, value in (frame.params or {}).items() if value is not None}
    session.broker.faults.check("attach", plain)
    channel = session.connection.app.channel(plain)
    flags = frame.flags or 0
    capability = session.connection.identity.capability
    known = session.attachments.get(name)
    if known is not None:
        known.configure(flags, params, capability)
        known.attached(Flag.RESUMED, channel.log.head)
        return
    limit = session.broker.limits.channels_per_connection
    if len(session.attachments) >= limit:
        raise Refusal(90010, 400, f"Maximum number of channels per connection ({limit}) exceeded")
    attachment = Attachment(session, channel, name, session.broker.faults)
    attachment.configure(flags, params, capability)
    session.outbox.is_replaying = True
    attachment.start(frame.channel_serial, is_resume=bool(flags & Flag.ATTACH_RESUME))
    session.outbox.is_replaying = False
    session.attachments[name] = attachment
    channel.subscribers[attachment] = None


def detach(session: Session, frame: Frame) -> None:
    """DETACH: delivery ends and own members leave."""
    name = frame.channel or ""
    session.drop_attachment(name)
    session.send(Frame(Action.DETACHED, channel=name))


def sync(session: Session, frame: Frame) -> None:
    """SYNC: the presence set again, also if it is empty."""
    attachment = session.attachments.get(frame.channel or "")
    if attachment is not None:
        attachment.sync()


def message(session: Session, frame: Frame) -> None:
    """MESSAGE: publish, or change a message."""
    connection = session.connection
    name = frame.channel

    def act(author: Author) -> list[str | None]:
        channel = connection.app.channel(split_qualifier(name)[0])
        _check_mode(session, name, Flag.PUBLISH)
        connection.rollup.flush(channel.name)
        messages = frame.messages or []
        if "_forceNack" in (frame.params or {}):
            raise FORCED_NACK
        connection.check_rate(len(messages))
        return channel.publish(author, messages)

    if connection.rolls_up and _is_append(frame):
        _append_rolled_up(session, frame)
    else:
        session.perform(frame, act)


def _is_append(frame: Frame) -> bool:
    messages = frame.messages or []
    return len(messages) == 1 and messages[0].action == MessageAction.APPEND


def _append_rolled_up(session: Session, frame: Frame) -> None:
    """Hand an append to the roll-up; its answer keeps its place in the order of answers."""
    connection = session.connection

    def act(author: Author, answer: Callable[[str | None, Refusal | None], None]) -> None:
        channel = connection.app.channel(split_qualifier(frame.channel)[0])
        _check_mode(session, frame.channel, Flag.PUBLISH)
        connection.rollup.append(channel, author, (frame.messages or [])[0], answer)

    session.perform_later(frame, act)


def presence(session: Session, frame: Frame) -> None:
    """PRESENCE: enter, update or leave."""
    connection = session.connection

    def act(author: Author) -> list[str | None]:
        plain, _ = split_qualifier(frame.channel)
        channel = connection.app.channel(plain)
        if frame.channel not in session.attachments:
            raise Refusal(
                90001,
                404,
                f"Unable to perform operation on channel: {plain} (not currently attached)",
            )
        _check_mode(session, frame.channel, Flag.PRESENCE)
        events = frame.presence or []
        channel.set_presence(author, events)
        if any(event.action != PresenceAction.LEAVE for event in events):
            connection.present_in.add(plain)
        return []

    session.perform(frame, act)


def annotation(session: Session, frame: Frame) -> None:
    """ANNOTATION: react to a message, or take it back."""

    def act(author: Author) -> list[str | None]:
        channel = session.connection.app.channel(split_qualifier(frame.channel)[0])
        _check_mode(session, frame.channel, Flag.ANNOTATION_PUBLISH)
        return channel.annotate(author, frame.annotations or [])

    session.perform(frame, act)


WORDS = {
    Flag.PUBLISH: ("publish", "publish a message"),
    Flag.PRESENCE: ("presence", "enter presence"),
    Flag.ANNOTATION_PUBLISH: ("annotation-publish", "publish an annotation"),
}


def _check_mode(session: Session, name: str | None, mode: Flag) -> None:
    """Raise 40165 if the client attached without this mode; without an attachment all is well."""
    attachment = session.attachments.get(name or "")
    if attachment is None or mode in attachment.modes:
        return
    operation, words = WORDS[mode]
    session.connection.identity.capability.require(attachment.channel.name, operation)
    raise Refusal(
        40165,
        401,
        f"Unable to {words} as client did not request the {mode.name} mode when attaching",
    )


def auth(session: Session, frame: Frame) -> None:
    """AUTH: a new token for this connection."""
    token = frame.auth.access_token if frame.auth else None
    try:
        session.adopt(token)
    except Refusal as refusal:
        if 40140 <= refusal.code < 40150:
            session.disconnect(refusal.words)
        else:
            session.refuse(refusal)


def objects(_: Session, __: Frame) -> None:
    """OBJECT: there are none here."""
    raise Refusal(40000, 400, "this broker has no LiveObjects")


HANDLERS: dict[int, Callable[[Session, Frame], None]] = {
    Action.HEARTBEAT: heartbeat,
    Action.DISCONNECT: disconnect,
    Action.CLOSE: close,
    Action.ATTACH: attach,
    Action.DETACH: detach,
    Action.SYNC: sync,
    Action.PRESENCE: presence,
    Action.MESSAGE: message,
    Action.AUTH: auth,
    Action.OBJECT: objects,
    Action.ANNOTATION: annotation,
    Action.PING: ping,
}
