"""Change notices: how a GUI, a terminal or an async loop learns that a chat changed.

Rule: a new status, error or queue is told at once; changed messages at most once per `throttle_s`.
Callbacks run in the chat's event loop, never concurrently, and read the chat themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

__all__ = ["Notices", "Updates"]

StateT = TypeVar("StateT")


class Notices:
    """Who wants to know, and how often. Timers live in the task group given by `open`."""

    def __init__(self) -> None:
        self._listeners: list[_Listener] = []
        self._tasks: TaskGroup | None = None
        self.closed = False

    def open(self, tasks: TaskGroup) -> None:
        """Use `tasks` for delayed notices."""
        self._tasks = tasks

    def close(self) -> None:
        """Tell everyone a last time; streams of updates end."""
        self.closed = True
        self._tasks = None
        self.state_changed()

    def subscribe(self, callback: Callable[[], None], throttle_s: float) -> Callable[[], None]:
        """Call `callback` after changes, until the function given back is called."""
        listener = _Listener(callback, throttle_s)
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def state_changed(self) -> None:
        """Tell everyone now."""
        for listener in tuple(self._listeners):
            listener.call()

    def messages_changed(self) -> None:
        """Tell those whose throttle allows it now, the others when it does."""
        for listener in tuple(self._listeners):
            if listener.throttle_s <= 0 or self._tasks is None:
                listener.call()
            elif not listener.is_waiting:
                listener.is_waiting = True
                self._tasks.start_soon(listener.call_when_due)


class _Listener:
    def __init__(self, callback: Callable[[], None], throttle_s: float) -> None:
        self.callback = callback
        self.throttle_s = throttle_s
        self.is_waiting = False
        self._due_at = 0.0

    def call(self) -> None:
        self.is_waiting = False
        if self.throttle_s > 0:
            self._due_at = anyio.current_time() + self.throttle_s
        self.callback()

    async def call_when_due(self) -> None:
        await anyio.sleep_until(self._due_at)
        if self.is_waiting:  # a status change may have told it meanwhile
            self.call()


class Updates(Generic[StateT]):
    """An endless look at a chat: the present state first, then the newest after each change.

    States that nobody waited for are skipped: a slow reader sees fewer, never older ones.
    Ends when the chat is left.
    """

    def __init__(self, notices: Notices, read: Callable[[], StateT], throttle_s: float) -> None:
        self._notices = notices
        self._read = read
        self._changed = anyio.Event()
        self._changed.set()
        self._unsubscribe = notices.subscribe(self._wake, throttle_s)

    def close(self) -> None:
        """Stop listening; needed only by readers that stop before the chat does."""
        self._unsubscribe()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StateT:
        """Give the chat's state as soon as it differs from the last one given."""
        await self._changed.wait()
        if self._notices.closed:
            self._unsubscribe()
            raise StopAsyncIteration
        self._changed = anyio.Event()
        return self._read()

    def _wake(self) -> None:
        self._changed.set()
