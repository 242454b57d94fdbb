"""A connection: what outlives a socket. Identity, results of operations, presence, its key.

Rule: an operation that is sent twice is done once: a frame with a known msgSerial and the same
content gets the first answer again; the same msgSerial with other content is a new operation
(ably-python 3.1.4 re-sends old serials after a failed resume and then starts at 0).
Source: features spec RTN15, RTN19, RTN7.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from chat_transport.broker.frames import Action, Frame, MessageAction, encode_content
from chat_transport.broker.identity import Identity
from chat_transport.broker.publishing import Author
from chat_transport.broker.rates import RateMeter
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rollup import Rollup
from chat_transport.broker.timers import Timer, Timers

if TYPE_CHECKING:
    from chat_transport.broker.app import App
    from chat_transport.broker.session import Session

__all__ = ["Connection", "Operation"]


class Operation:
    """One acknowledged frame: what it was, and its answer once there is one."""

    __slots__ = ("answer", "digest", "serial")

    def __init__(self, serial: int, digest: int) -> None:
        self.serial = serial
        self.digest = digest
        self.answer: Frame | None = None

    def resolve(self, serials: list[str | None], refusal: Refusal | None = None) -> None:
        """Decide the answer: ACK with serials, or NACK."""
        if refusal is not None:
            self.answer = Frame(Action.NACK, msg_serial=self.serial, count=1, error=refusal.words)
        else:
            res = [{"serials": serials}]
            self.answer = Frame(Action.ACK, msg_serial=self.serial, count=1, res=res)


class Connection:
    """One client's connection across its sockets."""

    def __init__(
        self,
        connection_id: str,
        app: App,
        identity: Identity,
        *,
        timers: Timers,
        rollup_ms: int,
    ) -> None:
        self.id = connection_id
        self.app = app
        self.identity = identity
        self.session: Session | None = None
        self.rollup = Rollup(timers, rollup_ms)
        self.rolls_up = rollup_ms > 0
        self.present_in: set[str] = set()
        """Channels where this connection has members."""
        self.timers: list[Timer] = []
        """What happens if no socket comes back."""
        self._now_ms = timers.now_ms
        self._counter = 0
        self._known: OrderedDict[int, Operation] = OrderedDict()
        self._unanswered: deque[Operation] = deque()
        self._recalled = app.recalled.pop(connection_id, {})
        self._rate = RateMeter(42911, "connection.inboundRate")

    def operation(self, frame: Frame) -> tuple[Operation, bool]:
        """Give the operation of a frame, and whether it is a new one.

        Raises:
            Refusal: If the frame has no msgSerial, or content that cannot be kept (40000).
        """
        serial = frame.msg_serial
        if serial is None or serial < 0:
            raise Refusal(40000, 400, f"invalid msgSerial {serial!r}")
        digest = hash(encode_content(frame))
        known = self._known.get(serial)
        if known is not None and known.digest == digest:
            return known, False
        if serial == 0:
            self._known.clear()
        operation = self._known[serial] = Operation(serial, digest)
        if len(self._known) > self.app.limits.remembered_results:
            self._known.popitem(last=False)
        self._unanswered.append(operation)
        if self._recalled:
            self._recall(frame, operation)
        return operation, True

    def _recall(self, frame: Frame, operation: Operation) -> None:
        """Answer what was done before the broker was restarted, and not heard by the client."""
        if operation.serial > max(self._recalled):
            self._recalled = {}
            return
        known = self._recalled.get(operation.serial)
        messages = frame.messages or []
        if known is not None and (frame.channel or "").endswith(known[0]):
            operation.resolve(known[1])
        elif self.rolls_up and messages and messages[0].action == MessageAction.APPEND:
            operation.resolve([None])  # it was joined with a later one

    def author(self, operation: Operation) -> Author:
        """Give who does an operation, with the id that its entry gets: it never repeats."""
        number = max(operation.serial, self._counter)
        self._counter = number + 1
        return Author(self.identity, self.id, f"{self.id}:{number}")

    def send_answers(self) -> None:
        """Send the answers that are ready, in the order of the frames."""
        unanswered = self._unanswered
        while unanswered and unanswered[0].answer is not None:
            answer = unanswered.popleft().answer
            if self.session is not None and answer is not None:
                self.session.acknowledge(answer)

    def check_rate(self, count: int) -> None:
        """Raise if this connection publishes too fast (42911); off unless set."""
        rate = self.app.limits.rate_per_second
        if rate:
            self._rate.take(count, rate, self._now_ms())

    def leave(self, channel_name: str | None = None) -> None:
        """Let this connection's members leave one channel, or all."""
        names = list(self.present_in) if channel_name is None else [channel_name]
        for name in names:
            self.present_in.discard(name)
            channel = self.app.channels.get(name)
            if channel is not None:
                channel.remove_members(channel.members.of(self.id))

    def cancel_timers(self) -> None:
        """A socket is back, or the connection has ended."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
