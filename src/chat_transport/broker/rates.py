"""Rates: at most so many messages in any second, counted in windows. Pure.

Source: Ably docs, platform limits; error pages 42911 and 42913.
"""

from __future__ import annotations

from collections import deque

from chat_transport.broker.refusal import Refusal

__all__ = ["RateMeter"]

SECOND_MS = 1000


class RateMeter:
    """Counts what happened within the last second."""

    def __init__(self, code: int, metric: str) -> None:
        self._code = code
        self._metric = metric
        self._moments: deque[int] = deque()

    def take(self, count: int, per_second: int, now_ms: int) -> None:
        """Count messages.

        Raises:
            Refusal: If they are more than `per_second` in this second (429); none is counted.
        """
        moments = self._moments
        while moments and moments[0] <= now_ms - SECOND_MS:
            moments.popleft()
        if len(moments) + count > per_second:
            raise Refusal(
                self._code,
                429,
                "Rate limit exceeded; request rejected (nonfatal);"
                f" metric = {self._metric}; limit = {per_second}/s",
            )
        moments.extend([now_ms] * count)
