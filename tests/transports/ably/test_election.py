"""Of several processes that began one answer the first in the channel goes on."""

from __future__ import annotations

import anyio
import pytest

from chat_transport.transports.ably.election import Candidacy

pytestmark = pytest.mark.anyio


async def decided(candidacy: Candidacy) -> bool:
    """Whether one may speak at once."""
    turned = anyio.Event()

    async def turn() -> None:
        await candidacy.turn()
        turned.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert candidacy.may_speak is turned.is_set()
    return candidacy.may_speak


async def test_who_waits_speaks_when_its_announcement_has_come_back_first() -> None:
    channel: list[str] = []
    candidacy = Candidacy(lambda: channel, waits=True)
    assert not candidacy.look()
    candidacy.announce("2")
    assert not candidacy.look()
    assert not await decided(candidacy)
    channel.append("2")
    assert not candidacy.look()
    assert await decided(candidacy)
    channel.append("3")
    assert not candidacy.look()
    assert not candidacy.is_lost


async def test_who_is_not_first_has_lost_and_is_told_once() -> None:
    channel = ["1"]
    candidacy = Candidacy(lambda: channel, waits=True)
    candidacy.announce("2")
    channel.append("2")
    assert candidacy.look()
    assert not candidacy.look()
    assert candidacy.is_lost
    assert await decided(candidacy)


async def test_an_earlier_announcement_may_come_late() -> None:
    channel = ["2"]
    candidacy = Candidacy(lambda: channel, waits=False)
    assert await decided(candidacy)
    candidacy.announce("2")
    assert not candidacy.look()
    channel.insert(0, "1")
    assert candidacy.look()


async def test_an_announcement_that_never_comes_back_does_not_silence_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_transport.transports.ably.election.TURN_S", 0.01)
    candidacy = Candidacy(list, waits=True)
    candidacy.announce("1")
    with anyio.fail_after(5):
        await candidacy.turn()
    assert not candidacy.is_lost
