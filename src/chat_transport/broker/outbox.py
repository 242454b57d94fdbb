"""What waits to go out on one socket. No I/O here.

Rule: nothing is dropped from the middle: a slow reader is cut, and resume heals it.
A wake-up costs more than a frame, so whoever writes takes all there is.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Outbox"]


class Outbox:
    """Encoded frames in order, a byte count, and the wish to close."""

    def __init__(self, limit_bytes: int, on_ready: Callable[[], None]) -> None:
        self.close_code: int | None = None
        """Set once: send what is left, then close with this code."""
        self.held = False
        """Whether a fault switch keeps everything back."""
        self.is_replaying = False
        """Whether a backlog comes: it does not count, or a long one could never be healed."""
        self._limit = limit_bytes
        self._on_ready = on_ready
        self._frames: list[str | bytes] = []
        self._bytes = 0

    def put(self, payload: str | bytes) -> None:
        """Queue a frame; a queue above the limit cuts the socket instead."""
        if self.close_code is not None:
            return
        self._frames.append(payload)
        if not self.is_replaying:
            self._bytes += len(payload)
        if self._bytes > self._limit:
            self.cut()
        elif len(self._frames) == 1 and not self.held:
            self._on_ready()

    def take(self) -> list[str | bytes]:
        """Give everything that waits and forget it."""
        if self.held or not self._frames:
            return []
        frames, self._frames, self._bytes = self._frames, [], 0
        return frames

    def release(self) -> None:
        """Let held frames go."""
        self.held = False
        self._on_ready()

    def close(self, code: int) -> None:
        """Close after what waits has gone."""
        if self.close_code is None:
            self.close_code = code
            self.held = False
            self._on_ready()

    def cut(self, code: int = 1001) -> None:
        """Close now; what waits is lost."""
        self._frames, self._bytes = [], 0
        self.close(code)
