from __future__ import annotations

import pytest

from chat_transport.transports.http.redis_life import RedisLife
from chat_transport.transports.http.redis_port import StoredRun
from chat_transport.transports.http.run_log import LoggedRun

pytestmark = pytest.mark.anyio
RUN = StoredRun(LoggedRun(chat_id="c", run_id="r"), "other", 1)


class Port:
    """A Redis in which the other process gives no sign of life."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes_s = 0.0
        self.away = False
        self.alive = False

    def clock(self) -> float:
        return self.now

    async def beat(self, process: str, dead_after_s: float) -> None:
        assert (process, dead_after_s) == ("me", 8.0)
        self._answer()

    async def lives(self, process: str) -> bool:
        assert process == "other"
        self._answer()
        return self.alive

    async def declare_dead(self, stored: StoredRun) -> int:
        assert stored == RUN
        self._answer()
        return 1

    def _answer(self) -> None:
        self.now += self.takes_s
        if self.away:
            raise ConnectionError("away")


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.fixture
def life(port: Port) -> RedisLife:
    return RedisLife(port, "me", 8.0, clock=port.clock)  # type: ignore[arg-type]  # a fake


async def test_silence_is_death_while_redis_answers(life: RedisLife, port: Port):
    await life.beat()
    assert await life.declare_dead(RUN)


async def test_a_sign_of_life_is_life(life: RedisLife, port: Port):
    await life.beat()
    port.alive = True
    assert not await life.declare_dead(RUN)


async def test_after_an_outage_the_others_are_given_time(life: RedisLife, port: Port):
    await life.beat()
    port.away = True
    with pytest.raises(ConnectionError):
        await life.beat()
    port.away = False
    await life.beat()
    assert not await life.declare_dead(RUN)
    port.now += 8
    await life.beat()
    assert await life.declare_dead(RUN)


@pytest.mark.parametrize("slow", ["beat", "look"])
async def test_a_redis_that_stood_still_is_an_outage(life: RedisLife, port: Port, slow: str):
    await life.beat()
    port.takes_s = 5
    if slow == "look":
        assert not await life.declare_dead(RUN)
    port.takes_s = 5 if slow == "beat" else 0
    await life.beat()
    port.takes_s = 0
    assert not await life.declare_dead(RUN)
    port.now += 8
    await life.beat()
    assert await life.declare_dead(RUN)


async def test_who_has_not_heard_from_redis_declares_nobody_dead(life: RedisLife, port: Port):
    await life.beat()
    port.now += 5  # a beat is under way, and not answered
    assert not await life.declare_dead(RUN)


async def test_an_outage_that_others_saw_counts(life: RedisLife, port: Port):
    await life.beat()
    life.was_away()
    assert not await life.declare_dead(RUN)
