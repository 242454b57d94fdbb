"""What the user says to a run while it is under way.

Rule: each message is heard once; who said it is told when it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import anyio

from ..messages import UIMessage

__all__ = ["Steering"]


class Steering:
    """The messages said to one run, in order, until it ends: `async for message in steering`."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[UIMessage, Callable[[], None] | None]] = deque()
        self._heard: list[UIMessage] = []
        self._changed: anyio.Event | None = None
        self._closed = False

    @property
    def heard(self) -> int:
        """How many messages were heard so far."""
        return len(self._heard)

    def say_again(self, since: int) -> None:
        """Let what was heard from number `since` on wait once more, first: its answer is void."""
        again, self._heard[since:] = self._heard[since:], []
        self._waiting.extendleft((message, None) for message in reversed(again))
        if again:
            self._wake()

    def say(self, message: UIMessage, *, heard: Callable[[], None] | None = None) -> bool:
        """Say something to the run; False if it has ended.

        Args:
            message: What is said.
            heard: Called when the handler takes it.
        """
        if self._closed:
            return False
        self._waiting.append((message, heard))
        self._wake()
        return True

    def take(self) -> Sequence[UIMessage]:
        """Give what was said and not heard yet, without waiting."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._heard.extend(message for message, _ in taken)
        for _, heard in taken:
            if heard is not None:
                heard()
        return [message for message, _ in taken]

    @property
    def has_unheard(self) -> bool:
        """Whether something was said and not heard yet."""
        return bool(self._waiting)

    def close(self) -> None:
        """End it: nobody listens any more."""
        self._closed = True
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> UIMessage:
        """Give the next message, waiting for it; end with the run."""
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()
        message, heard = self._waiting.popleft()
        self._heard.append(message)
        if heard is not None:
            heard()
        return message

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
