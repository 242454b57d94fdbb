"""Comments on streams that are silent, so that proxies do not cut them: one clock for all.

Rule: a stream costs no task and no timer of its own; one whose client does not read is let alone.
"""

from __future__ import annotations

from typing import Protocol

import anyio
from anyio.abc import TaskGroup

__all__ = ["KeepAlive", "Quiet"]

LOOKS = 2
"""How often a stream is looked at in one span of silence."""


class Quiet(Protocol):
    """A stream that may be silent."""

    silent_looks: int
    """Looks since something was sent; the stream sets it to 0."""

    async def say_something(self) -> None:
        """Send a comment, unless something is being sent."""
        ...


class KeepAlive:
    """Watches streams.

    Args:
        every_s: Seconds of silence before a comment, half as much more at most; None for never.
    """

    def __init__(self, every_s: float | None) -> None:
        self._every_s = every_s
        self._streams: set[Quiet] = set()
        self._scope: anyio.CancelScope | None = None
        self._stopped = False

    def watch(self, stream: Quiet) -> None:
        """Look after a stream until it is forgotten."""
        self._streams.add(stream)

    def forget(self, stream: Quiet) -> None:
        """Look after it no more."""
        self._streams.discard(stream)

    async def run(self, tasks: TaskGroup) -> None:
        """Look at the streams until stopped; a comment that waits for its client holds up none."""
        if self._every_s is None or self._stopped:
            return
        with anyio.CancelScope() as self._scope:
            while True:
                await anyio.sleep(self._every_s / LOOKS)
                for stream in list(self._streams):
                    stream.silent_looks += 1
                    if stream.silent_looks > LOOKS:
                        stream.silent_looks = 1
                        tasks.start_soon(stream.say_something)

    def stop(self) -> None:
        """End `run`, also one that has yet to begin."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()
