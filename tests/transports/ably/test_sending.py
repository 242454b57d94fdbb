"""Sent until acknowledged or refused."""

from __future__ import annotations

import asyncio

import pytest

from chat_transport.codecs.ably.operations import OutboundMessage
from chat_transport.errors import RequestRejected, StreamInterrupted, TransportClosed
from chat_transport.transports.ably.sending import message_bytes, surely

pytestmark = pytest.mark.anyio

BUSY = RequestRejected("too fast", code=42911, status=429)


class Link:
    def __init__(self) -> None:
        self.in_flight = asyncio.Semaphore(1)
        self.waits = 0

    async def connected(self) -> None:
        self.waits += 1


async def test_what_was_lost_is_sent_again_once_there_is_a_connection() -> None:
    link, tries = Link(), 0

    async def send() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StreamInterrupted("lost", resumable=True)
        return "done"

    assert await surely(link, send) == "done"
    assert (tries, link.waits) == (2, 1)


async def test_a_rate_limit_that_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_transport.transports.ably.sending.PAUSE_S", 0.0001)
    monkeypatch.setattr("chat_transport.transports.ably.sending.PAUSE_LIMIT_S", 0.0001)
    tries = 0

    async def send() -> None:
        nonlocal tries
        tries += 1
        raise BUSY

    with pytest.raises(RequestRejected, match="too fast"):
        await surely(Link(), send)
    assert tries == 12


async def test_a_closed_connection_is_not_waited_for() -> None:
    async def send() -> None:
        raise TransportClosed("over")

    with pytest.raises(TransportClosed):
        await surely(Link(), send)


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (OutboundMessage(name="ab"), 2),
        (OutboundMessage(name="", data="é"), 2),
        (OutboundMessage(name="", data=b"abc"), 3),
        (OutboundMessage(name="", data={"a": [1]}), 9),
        (OutboundMessage(name="", extras={"a": "é"}), 10),
    ],
)
def test_sizes_are_counted_in_bytes(message: OutboundMessage, size: int) -> None:
    assert message_bytes(message) == size
