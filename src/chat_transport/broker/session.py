"""A session: one socket's side of a connection. Frames in, frames out; no I/O here.

Rule: it greets, keeps warm, ends in time, and knows its attachments; what each frame of a client
does is in `dialogue`.
Source: features spec RTN2, RTN14, RTN15, RTN22, RTN23; tolerances of ably 3.1.4 and ably-js 2.28.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chat_transport.broker.attachment import Attachment
from chat_transport.broker.dialogue import hear
from chat_transport.broker.frames import Action, ConnectionDetails, Frame, encode_frame
from chat_transport.broker.outbox import Outbox
from chat_transport.broker.publishing import Author
from chat_transport.broker.refusal import ErrorWords, Refusal
from chat_transport.broker.timers import Timer

if TYPE_CHECKING:
    from chat_transport.broker.broker import Broker
    from chat_transport.broker.connection import Connection, Operation

__all__ = ["Session"]

PROMPT_MS = 30_000
"""How long before a token's end the client is asked for a new one."""
HEARTBEAT_MARGIN_MS = 1_000


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
        self._caused: list[str | bytes] | None = None
        """Frames that an operation causes, kept back until it is answered."""

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
        """Fail the connection: ERROR, then close. It cannot be resumed."""
        self.send(Frame(Action.ERROR, error=refusal.words))
        self.outbox.close(1000)
        if self._connection is not None:
            self.broker.end(self._connection)

    def after(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        """Call back later; what it sends is dropped if the socket has gone by then."""
        return self.broker.timers.after(delay_ms, call)

    def send(self, frame: Frame) -> None:
        """Queue a frame."""
        self.send_encoded(encode_frame(frame, binary=self.binary))

    def send_encoded(self, payload: str | bytes) -> None:
        """Queue an encoded frame."""
        if self._caused is not None:
            self._caused.append(payload)
        else:
            self._put(payload)

    def _note(self, payload: str | bytes, *, is_out: bool) -> None:
        if self.broker.traffic is not None:
            name = self._connection.id if self._connection else "refused"
            self.broker.traffic.note(self.broker.now_ms(), name, payload, is_out=is_out)

    def _put(self, payload: str | bytes) -> None:
        self._note(payload, is_out=True)
        delay = self.broker.faults.settings.delay_ms
        self._last_sent_ms = self.broker.now_ms()
        if delay:
            self.broker.timers.after(delay, lambda: self.outbox.put(payload))
        else:
            self.outbox.put(payload)

    def receive(self, payload: str | bytes) -> None:
        """Take one WebSocket message."""
        if self._connection is not None and self.outbox.close_code is None:
            self._note(payload, is_out=False)
            hear(self, payload)

    def perform(self, frame: Frame, act: Callable[[Author], list[str | None]]) -> None:
        """Do the operation of a frame once, and answer it before anything that it causes."""
        connection = self.connection
        operation, is_new = connection.operation(frame)
        if not is_new or operation.answer is not None:
            self._answer_again(operation, is_new=is_new)
            return
        caused: list[str | bytes] = []
        self._caused = caused
        try:
            operation.resolve(act(connection.author(operation)))
        except Refusal as refusal:
            operation.resolve([], refusal)
        finally:
            self._caused = None
        connection.send_answers()
        for payload in caused:
            self.send_encoded(payload)

    def perform_later(
        self,
        frame: Frame,
        act: Callable[[Author, Callable[[str | None, Refusal | None], None]], None],
    ) -> None:
        """Do an operation whose answer may come later."""
        connection = self.connection
        operation, is_new = connection.operation(frame)
        if not is_new or operation.answer is not None:
            self._answer_again(operation, is_new=is_new)
            return

        def answer(serial: str | None, refusal: Refusal | None) -> None:
            operation.resolve([serial], refusal)
            connection.send_answers()

        try:
            act(connection.author(operation), answer)
        except Refusal as refusal:
            answer(None, refusal)

    def _answer_again(self, operation: Operation, *, is_new: bool) -> None:
        """Answer an operation that was done before, here or before a restart."""
        if is_new:
            self.connection.send_answers()
        elif operation.answer is not None:
            self.acknowledge(operation.answer)

    def acknowledge(self, answer: Frame) -> None:
        """Send an ACK or NACK, before what the operation under way causes."""
        payload = encode_frame(answer, binary=self.binary)
        self._put(payload)
        if self.broker.faults.settings.double_acks:
            self._put(payload)

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
        key = self.broker.connection_key(connection)
        shown = identity.client_id
        if not identity.is_token and shown == "*":
            shown = None
        self.send(
            Frame(
                Action.CONNECTED,
                connection_id=connection.id,
                connection_key=key,
                timestamp=self.broker.now_ms(),
                connection_details=ConnectionDetails(
                    client_id=shown,
                    connection_key=key,
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

    def fail_channel(self, name: str, refusal: Refusal) -> None:
        """End an attachment with an error that the client does not retry."""
        self.drop_attachment(name)
        self.send(Frame(Action.ERROR, channel=name, error=refusal.words))

    def drop_attachment(self, name: str) -> None:
        """End an attachment; the client's members leave."""
        attachment = self.attachments.pop(name, None)
        if attachment is not None:
            attachment.channel.subscribers.pop(attachment, None)
            self.connection.leave(attachment.channel.name)

    def adopt(self, token: str | None) -> None:
        """Go on under a new token, and say so with CONNECTED.

        Raises:
            Refusal: If the token is not good, or of someone else (40102).
        """
        if not token:
            raise Refusal(40101, 401, "Not authorized: AUTH without accessToken")
        connection, known = self.connection, self.connection.identity.client_id
        identity = self.broker.credentials.identify_token(token, None)
        if identity.client_id == "*" and known is not None:
            identity = self.broker.credentials.identify_token(token, known)
        if identity.app_id != connection.app.id:
            raise Refusal(40101, 401, "Not authorized: the token is of another app")
        if identity.client_id != known and not (known == "*" and identity.client_id is None):
            raise Refusal(
                40102,
                401,
                f"Invalid clientId for credentials; {identity.client_id!r} is not {known!r}",
            )
        connection.identity = identity
        self._greet()
        self._schedule_expiry()
        self._review_rights()

    def _review_rights(self) -> None:
        """Fail the channels that the new token does not permit."""
        capability = self.connection.identity.capability
        for name, attachment in list(self.attachments.items()):
            try:
                attachment.review(capability)
            except Refusal as refusal:
                self.fail_channel(name, refusal)
