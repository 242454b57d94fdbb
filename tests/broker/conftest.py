"""A broker with a clock of its own, and clients that speak frames to it without any socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chat_transport.broker import Broker
from chat_transport.broker.session import Session

KEY = "app.key:secret"


class Peer:
    """A client's socket: sends frames as dictionaries, reads what came back."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.serial = 0

    def send(self, action: int, **fields: Any) -> None:
        frame = {"action": action, **fields}
        if self.session.binary:
            self.session.receive(msgspec.msgpack.encode(frame))
        else:
            self.session.receive(msgspec.json.encode(frame).decode())

    def frames(self, *actions: int) -> list[dict[str, Any]]:
        """Take everything that waits; keep the given actions, or all."""
        decode = msgspec.msgpack.decode if self.session.binary else msgspec.json.decode
        taken = [decode(payload) for payload in self.session.outbox.take()]
        return [frame for frame in taken if not actions or frame["action"] in actions]

    def acked(self, action: int, channel: str, **fields: Any) -> dict[str, Any]:
        """Send an operation under the next msgSerial; give its ACK or NACK."""
        serial, self.serial = self.serial, self.serial + 1
        self.send(action, channel=channel, msgSerial=serial, **fields)
        answers = self.frames(1, 2)
        assert [answer["msgSerial"] for answer in answers] == [serial]
        return answers[0]

    def publish(self, channel: str, *messages: dict[str, Any]) -> list[str]:
        """Publish and give the serials."""
        return self.acked(15, channel, messages=list(messages))["res"][0]["serials"]

    def attach(self, channel: str, **fields: Any) -> dict[str, Any]:
        """Attach and give ATTACHED; `early` is what follows it at once."""
        self.frames()
        self.send(10, channel=channel, **fields)
        attached, *self.early = self.frames()
        assert attached["action"] == 11, attached
        return attached

    @property
    def is_closed(self) -> bool:
        return self.session.outbox.close_code is not None


class World:
    """One broker and its clock."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_800_000_000_000
        settings.setdefault("keys", [KEY])
        self.broker = Broker(now_ms=lambda: self.now, **settings)

    def open(self, **query: str) -> Peer:
        """Open a socket and leave its first frames in place."""
        query = {"v": "5", "key": KEY, **query}
        if query.keys() & {"accessToken"}:
            del query["key"]
        return Peer(self.broker.open_session(query))

    def connect(self, **query: str) -> Peer:
        """Open a socket and expect CONNECTED."""
        peer = self.open(**query)
        (self.connected,) = peer.frames()
        assert self.connected["action"] == 4, self.connected
        return peer

    def advance(self, ms: int) -> None:
        """Let time pass, making every call that falls due on the way."""
        end = self.now + ms
        while (due := self.broker.timers.next_due_ms()) is not None and due <= end:
            self.now = max(self.now, due)
            self.broker.timers.run_due()
        self.now = end
        self.broker.timers.run_due()


@pytest.fixture(scope="session")
def new_world() -> Callable[..., World]:
    """Make a broker with settings of `Broker`."""
    return World


@pytest.fixture
def world() -> World:
    """A broker that permits everything."""
    return World()
