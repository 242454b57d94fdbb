"""A run that nobody serves is closed; more of it in test_agent_session.py."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat_transport.codecs.ably.operations import OutboundMessage, Publish
from chat_transport.errors import RequestRejected
from chat_transport.transports.ably.orphans import close_orphan, decline
from chat_transport.transports.ably.wire import Orphan, RunRef

pytestmark = pytest.mark.anyio

CLOSING = OutboundMessage(name="", data="", extras={"status": "cancelled"})
ENDING = Publish(messages=(OutboundMessage(name="end"),))
ORPHAN = Orphan(ref=RunRef(run_id="r", input_id="m"), appends=[("s1", CLOSING)], publish=[ENDING])


class Outlet:
    name = "c"

    def __init__(self, *, refuses: bool = False) -> None:
        self.connection = self
        self.in_flight = asyncio.Semaphore(1)
        self.done: list[Any] = []
        self._refuses = refuses

    async def connected(self) -> None:
        raise AssertionError("it is connected")

    async def publish(self, messages: Any, ident: str) -> list[str]:
        if self._refuses:
            raise RequestRejected("no right", code=40160)
        self.done.append((messages[0].name, ident))
        return ["s2"]

    async def change(self, action: str, message: Any, serial: str, metadata: Any = None) -> str:
        if self._refuses:
            raise RequestRejected("no right", code=40160)
        self.done.append((action, serial, message.extras))
        return "v"


async def test_open_messages_are_closed_before_the_run_is_ended() -> None:
    outlet = Outlet()
    await close_orphan(outlet, ORPHAN)
    assert outlet.done == [("append", "s1", {"status": "cancelled"}), ("end", "r-closed-0")]


async def test_what_cannot_be_closed_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    outlet = Outlet(refuses=True)
    await close_orphan(outlet, ORPHAN)
    assert outlet.done == []
    assert "run r could not be closed" in caplog.text


class Speaker:
    """Begins and ends a run, with a stream between that nobody sent."""

    def start(self) -> list[Any]:
        return [Publish(messages=(OutboundMessage(name="start"),)), "an append"]

    def end(self, reason: str, *, code: int | None = None, message: str | None = None) -> list[Any]:
        return [Publish(messages=(OutboundMessage(name=f"{reason}: {message}"),))]


async def test_a_run_that_could_not_begin_ends_without_its_reason() -> None:
    outlet = Outlet()
    await decline(outlet, Speaker())  # type: ignore[arg-type]  # a fake
    assert [name for name, _ in outlet.done] == ["start", "error: An error occurred."]


async def test_readers_that_cannot_be_told_are_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await decline(Outlet(refuses=True), Speaker())  # type: ignore[arg-type]  # a fake
    assert "readers on c could not be told: no right" in caplog.text


async def test_a_run_is_ended_even_if_its_messages_are_somebody_elses() -> None:
    class TheirMessages(Outlet):
        async def change(self, *_: Any) -> str:
            raise RequestRejected("no right", code=40160)

    outlet = TheirMessages()
    await close_orphan(outlet, ORPHAN)
    assert outlet.done == [("end", "r-closed-0")]
