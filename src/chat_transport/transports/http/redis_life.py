"""Signs of life in Redis: this process gives them, and declares runs dead whose process does not.

Rule: who has not heard from Redis for a while declares nobody dead: the others could not say that
they live, either. No clock of one process is compared with that of another.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from .redis_client import is_outage
from .redis_port import RedisPort, StoredRun

__all__ = ["RedisLife"]


class RedisLife:
    """What one process says of itself, and believes of others.

    Args:
        port: Connected when it is used.
        process: The name of this process.
        dead_after_s: Seconds for which a sign of life counts.
        clock: Gives seconds of this process alone.
    """

    def __init__(
        self,
        port: RedisPort,
        process: str,
        dead_after_s: float,
        *,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._port = port
        self._process = process
        self._clock = clock
        self._dead_after_s = dead_after_s
        self._slow_s = dead_after_s / 2
        self._heard_at = float("-inf")
        self._trusted_from: float | None = float("-inf")

    async def beat(self) -> None:
        """Give a sign of life."""
        asked_at = self._clock()
        try:
            await self._port.beat(self._process, self._dead_after_s)
        except Exception as error:
            if is_outage(error):
                self.was_away()
            raise
        self._check_delay(asked_at)
        self._heard_at = self._clock()
        if self._trusted_from is None:
            self._trusted_from = self._heard_at + self._dead_after_s

    def was_away(self) -> None:
        """Redis could not be reached: give the others time to say that they live."""
        self._trusted_from = None

    async def declare_dead(self, stored: StoredRun) -> bool:
        """Interrupt a run whose process gives no sign of life; False if it goes on.

        The record must have been read before: the writer says that it lives, then begins a record.
        """
        asked_at = self._clock()
        if await self._port.lives(stored.process):
            return False
        self._check_delay(asked_at)
        return self._is_trusted() and await self._port.declare_dead(stored) == 1

    def _check_delay(self, asked_at: float) -> None:
        if self._clock() - asked_at > self._slow_s:
            self.was_away()

    def _is_trusted(self) -> bool:
        """Whether silence means death: Redis has been there for as long as a sign counts."""
        now = self._clock()
        begins = self._trusted_from
        return begins is not None and now >= begins and now - self._heard_at <= self._slow_s
