"""A connection: what outlives a socket. Identity, results of operations, presence, its key.

Rule: an operation that is sent twice is done once: a frame with a known msgSerial and the same
content gets the first answer again; the same msgSerial with other content is a new operation
(ably-python 3.1.4 re-sends old serials after a failed resume and then starts at 0).
Source: features spec RTN15, RTN19, RTN7.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chat_transport.broker.channel import Author
from chat_transport.broker.frames import Action, Frame
from chat_transport.broker.identity import Identity
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.timers import Timer

if TYPE_CHECKING:
    from chat_transport.broker.app import App
    from chat_transport.broker.session import Session

__all__ = ["Connection"]


class Connection:
    """One client's connection across its sockets."""

    def __init__(self, connection_id: str, app: App, identity: Identity, remembered: int) -> None:
        self.id = connection_id
        self.app = app
        self.identity = identity
        self.session: Session | None = None
        self.present_in: set[str] = set()
        """Channels where this connection has members."""
        self.timers: list[Timer] = []
        """What happens if no socket comes back."""
        self._remembered = remembered
        self._counter = 0
        self._results: OrderedDict[int, tuple[int, Frame]] = OrderedDict()

    def perform(self, frame: Frame, act: Callable[[Author], list[str | None]]) -> Frame:
        """Do the operation of a frame once; give its ACK or NACK.

        Raises:
            Refusal: If the frame has no msgSerial, so that no answer can name it (40000).
        """
        serial = frame.msg_serial
        if serial is None or serial < 0:
            raise Refusal(40000, 400, f"invalid msgSerial {serial!r}")
        digest = hash(
            msgspec.msgpack.encode(
                (frame.action, frame.channel, frame.messages, frame.presence, frame.annotations)
            )
        )
        known = self._results.get(serial)
        if known is not None and known[0] == digest:
            return known[1]
        if serial == 0 and self._results:
            self._results.clear()
        number = max(serial, self._counter)
        self._counter = number + 1
        author = Author(self.identity, self.id, f"{self.id}:{number}")
        try:
            serials = act(author)
        except Refusal as refusal:
            answer = Frame(Action.NACK, msg_serial=serial, count=1, error=refusal.words)
        else:
            res = [{"serials": serials}]
            answer = Frame(Action.ACK, msg_serial=serial, count=1, res=res)
        self._results[serial] = (digest, answer)
        if len(self._results) > self._remembered:
            self._results.popitem(last=False)
        return answer

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
