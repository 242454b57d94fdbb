"""A session: one socket's side of the protocol. Frames in, frames out; no I/O here.

Rule: every frame is answered in the order in which it came; what cannot be answered by an ACK or NACK
is answered by an ERROR on its channel, or on the connection if no channel is named.
Source: features spec RTN*, RTL4 to RTL13, RTC8; tolerances from ably 3.1.4 and ably-js 2.28.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from chat_transport.broker.attachment import Attachment, modes_for
from chat_transport.broker.channel import Author
from chat_transport.broker.frames import (
    Action,
    ConnectionDetails,
    Flag,
    Frame,
    PresenceAction,
    decode_frame,
    encode_frame,
    salvage,
)
from chat_transport.broker.outbox import Outbox
from chat_transport.broker.refusal import ErrorWords, Refusal
from chat_transport.broker.timers import Timer

if TYPE_CHECKING:
    from chat_transport.broker.broker import Broker
    from chat_transport.broker.connection import Connection

__all__ = ["Session", "split_qualifier"]

PROMPT_MS = 30_000
"""How long before a token's end the client is asked for a new one."""
HEARTBEAT_MARGIN_MS = 1_000


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


class Session:
    """One socket of one connection."""

    def __init__(
        self,
        broker: Broker,
        *,
        binary: bool,
        echo: bool,
        idle_interval_ms: int,
        remain_present_ms: int,
        on_ready: Callable[[], None],
    ) -> None:
        self.broker = broker
        self.binary = binary
        self.echo = echo
        self.idle_interval_ms = idle_interval_ms
        self.remain_present_ms = remain_present_ms
        self.outbox = Outbox(broker.limits.outbound_bytes, on_ready)
        self.outbox.held = broker.faults.settings.hold
        self.attachments: dict[str, Attachment] = {}
        self._connection: Connection | None = None
        self._expiry: list[Timer] = []
        self._last_sent_ms = broker.now_ms()
        self._heartbeat: Timer | None = None

    @property
    def connection(self) -> Connection:
        """The connection that this socket serves."""
        assert self._connection is not None
        return self._connection

    @property
    def connection_id(self) -> str:
        """The id of the connection that this socket serves."""
        return self.connection.id

    def welcome(self, connection: Connection, error: ErrorWords | None = None) -> None:
        """Serve a connection: send CONNECTED and keep the socket warm."""
        self._connection = connection
        connection.session = self
        self._greet(error)
        self._schedule_expiry()
        self._beat()

    def refuse(self, refusal: Refusal) -> None:
        """Fail the connection: ERROR, then close."""
        self.send(Frame(Action.ERROR, error=refusal.words))
        self.outbox.close(1000)

    def send(self, frame: Frame) -> None:
        """Queue a frame."""
        self.send_encoded(encode_frame(frame, binary=self.binary))

    def send_encoded(self, payload: str | bytes) -> None:
        """Queue an encoded frame."""
        delay = self.broker.faults.settings.delay_ms
        self._last_sent_ms = self.broker.now_ms()
        if delay:
            self.broker.timers.after(delay, lambda: self.outbox.put(payload))
        else:
            self.outbox.put(payload)

    def receive(self, payload: str | bytes) -> None:
        """Take one WebSocket message."""
        if self._connection is None or self.outbox.close_code is not None:
            return
        try:
            frame = decode_frame(payload)
        except Refusal as refusal:
            self._answer_malformed(payload, refusal)
            return
        act = HANDLERS.get(frame.action)
        if act is None:
            return
        try:
            act(self, frame)
        except Refusal as refusal:
            if frame.channel is None:
                self.refuse(refusal)
            else:
                self._fail_channel(frame.channel, refusal)

    def lost(self) -> None:
        """The socket is gone; the connection waits for another."""
        self._end_timers()
        for attachment in self.attachments.values():
            attachment.channel.subscribers.pop(attachment, None)
        self.attachments.clear()
        connection = self._connection
        if connection is not None and connection.session is self:
            connection.session = None
            self.broker.keep(connection, self.remain_present_ms)

    def disconnect(self, words: ErrorWords) -> None:
        """Ask the client to come back: DISCONNECTED, then close."""
        self.send(Frame(Action.DISCONNECTED, error=words))
        self.outbox.close(1000)

    def _greet(self, error: ErrorWords | None = None) -> None:
        connection, limits = self.connection, self.broker.limits
        identity = connection.identity
        shown = identity.client_id
        if not identity.is_token and shown == "*":
            shown = None
        self.send(
            Frame(
                Action.CONNECTED,
                connection_id=connection.id,
                connection_key=self.broker.connection_key(connection),
                timestamp=self.broker.now_ms(),
                connection_details=ConnectionDetails(
                    client_id=shown,
                    connection_key=self.broker.connection_key(connection),
                    max_message_size=limits.max_message_size,
                    max_frame_size=limits.max_frame_size,
                    max_inbound_rate=1000,
                    connection_state_ttl=limits.connection_state_ttl_ms,
                    max_idle_interval=self.idle_interval_ms,
                    server_id="local",
                    site_code="local",
                ),
                error=error,
            )
        )

    def _beat(self) -> None:
        """Send HEARTBEAT when nothing else was sent for nearly the idle interval."""
        interval = max(self.idle_interval_ms - HEARTBEAT_MARGIN_MS, self.idle_interval_ms // 2)
        quiet = self.broker.now_ms() - self._last_sent_ms
        if self._heartbeat is not None and quiet >= interval:
            self.send(Frame(Action.HEARTBEAT))
            quiet = 0
        self._heartbeat = self.broker.timers.after(interval - quiet, self._beat)

    def _schedule_expiry(self) -> None:
        for timer in self._expiry:
            timer.cancel()
        self._expiry.clear()
        expires = self.connection.identity.expires_ms
        if expires is None:
            return
        left = expires - self.broker.now_ms()
        after = self.broker.timers.after
        if left > PROMPT_MS:
            self._expiry.append(after(left - PROMPT_MS, lambda: self.send(Frame(Action.AUTH))))
        self._expiry.append(after(left, self.expire))

    def expire(self) -> None:
        """The token's time is over."""
        self.disconnect(Refusal(40142, 401, "Token expired").words)

    def _end_timers(self) -> None:
        for timer in (*self._expiry, *([self._heartbeat] if self._heartbeat else [])):
            timer.cancel()
        self._expiry.clear()

    def _answer_malformed(self, payload: str | bytes, refusal: Refusal) -> None:
        """Answer what can be named: NACK a publish, fail a channel, or fail the connection."""
        action, channel, serial = salvage(payload)
        if action in (Action.MESSAGE, Action.PRESENCE, Action.ANNOTATION) and serial is not None:
            self.send(Frame(Action.NACK, msg_serial=serial, count=1, error=refusal.words))
        elif channel is not None:
            self._fail_channel(channel, refusal)
        else:
            self.refuse(refusal)

    def _fail_channel(self, name: str, refusal: Refusal) -> None:
        self._drop_attachment(name)
        self.send(Frame(Action.ERROR, channel=name, error=refusal.words))

    def _drop_attachment(self, name: str) -> None:
        attachment = self.attachments.pop(name, None)
        if attachment is not None:
            attachment.channel.subscribers.pop(attachment, None)
            self.connection.leave(attachment.channel.name)

    def _heard_heartbeat(self, frame: Frame) -> None:
        self.send(Frame(Action.HEARTBEAT, id=frame.id))

    def _heard_ping(self, frame: Frame) -> None:
        self.send(Frame(Action.PONG, id=frame.id))

    def _heard_close(self, _: Frame) -> None:
        self.send(Frame(Action.CLOSED))
        self.outbox.close(1000)
        self.broker.end(self.connection)

    def _heard_disconnect(self, _: Frame) -> None:
        self.outbox.close(1000)

    def _heard_attach(self, frame: Frame) -> None:
        name = frame.channel or ""
        plain, params = split_qualifier(frame.channel)
        params |= {
            key: str(value) for key, value in (frame.params or {}).items() if value is not None
        }
        self.broker.faults.check("attach", plain)
        channel = self.connection.app.channel(plain)
        capability = self.connection.identity.capability
        modes = modes_for(plain, frame.flags or 0, params, capability)
        attachment = self.attachments.get(name)
        if attachment is not None:
            attachment.configure(modes, params)
            attachment.attached(Flag.RESUMED, channel.log.head)
            return
        limit = self.broker.limits.channels_per_connection
        if len(self.attachments) >= limit:
            raise Refusal(
                90010, 400, f"Maximum number of channels per connection ({limit}) exceeded"
            )
        attachment = Attachment(self, channel, name, self.broker.faults)
        attachment.configure(modes, params)
        attachment.start(
            frame.channel_serial, is_resume=bool((frame.flags or 0) & Flag.ATTACH_RESUME)
        )
        self.attachments[name] = attachment
        channel.subscribers[attachment] = None

    def _heard_detach(self, frame: Frame) -> None:
        name = frame.channel or ""
        self._drop_attachment(name)
        self.send(Frame(Action.DETACHED, channel=name))

    def _heard_message(self, frame: Frame) -> None:
        def act(author: Author) -> list[str | None]:
            plain, _ = split_qualifier(frame.channel)
            self._check_mode(frame.channel, Flag.PUBLISH)
            return self.connection.app.channel(plain).publish(author, frame.messages or [])

        self._perform(frame, act)

    def _heard_presence(self, frame: Frame) -> None:
        def act(author: Author) -> list[str | None]:
            plain, _ = split_qualifier(frame.channel)
            if frame.channel not in self.attachments:
                raise Refusal(
                    90001,
                    404,
                    f"Unable to perform operation on channel: {plain} (not currently attached)",
                )
            self._check_mode(frame.channel, Flag.PRESENCE)
            events = frame.presence or []
            self.connection.app.channel(plain).set_presence(author, events)
            if any(event.action != PresenceAction.LEAVE for event in events):
                self.connection.present_in.add(plain)
            return []

        self._perform(frame, act)

    def _check_mode(self, name: str | None, mode: Flag) -> None:
        attachment = self.attachments.get(name or "")
        if attachment is None or mode in attachment.modes:
            return
        operation = "publish" if mode == Flag.PUBLISH else "presence"
        self.connection.identity.capability.require(attachment.channel.name, operation)
        raise Refusal(
            40165,
            401,
            f"Unable to {'publish a message' if mode == Flag.PUBLISH else 'enter presence'}"
            f" as client did not request the {mode.name} mode when attaching",
        )

    def _perform(self, frame: Frame, act: Callable[[Author], list[str | None]]) -> None:
        answer = self.connection.perform(frame, act)
        self.send(answer)
        if self.broker.faults.settings.double_acks:
            self.send(answer)

    def _heard_auth(self, frame: Frame) -> None:
        connection = self.connection
        token = frame.auth.access_token if frame.auth else None
        if not token:
            raise Refusal(40101, 401, "Not authorized: AUTH without accessToken")
        try:
            identity = self.broker.identify_token(token, None)
            known = connection.identity.client_id
            if identity.client_id == "*" and known is not None:
                identity = self.broker.identify_token(token, known)
            if identity.app_id != connection.app.id:
                raise Refusal(40101, 401, "Not authorized: the token is of another app")
            if identity.client_id != known and not (known == "*" and identity.client_id is None):
                raise Refusal(
                    40102,
                    401,
                    f"Invalid clientId for credentials; {identity.client_id!r} is not {known!r}",
                )
        except Refusal as refusal:
            if 40140 <= refusal.code < 40150:
                self.disconnect(refusal.words)
            else:
                self.refuse(refusal)
            return
        connection.identity = identity
        self._greet()
        self._schedule_expiry()
        self._review_rights()

    def _review_rights(self) -> None:
        """Fail the channels that the new token does not permit."""
        capability = self.connection.identity.capability
        for name, attachment in list(self.attachments.items()):
            try:
                attachment.modes &= modes_for(
                    attachment.channel.name, int(attachment.modes), {}, capability
                )
            except Refusal as refusal:
                self._fail_channel(name, refusal)

    def _heard_object(self, frame: Frame) -> None:
        if frame.msg_serial is not None:
            refusal = Refusal(40000, 400, "this broker has no LiveObjects")
            answer = Frame(Action.NACK, msg_serial=frame.msg_serial, count=1, error=refusal.words)
            self.send(answer)


HANDLERS: dict[int, Callable[[Session, Frame], Any]] = {
    Action.HEARTBEAT: Session._heard_heartbeat,
    Action.PING: Session._heard_ping,
    Action.CLOSE: Session._heard_close,
    Action.DISCONNECT: Session._heard_disconnect,
    Action.ATTACH: Session._heard_attach,
    Action.DETACH: Session._heard_detach,
    Action.MESSAGE: Session._heard_message,
    Action.PRESENCE: Session._heard_presence,
    Action.AUTH: Session._heard_auth,
    Action.OBJECT: Session._heard_object,
}
