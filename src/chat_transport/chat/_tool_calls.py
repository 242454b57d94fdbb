"""Running the application's `on_tool_call`.

Rule: a callback once begun is never cut off by a stop; whoever stops waits for it. The next chunk
of its reply waits too, and its failure is the reply's.
Source: AI SDK 7.0.173, where the callback holds the chat's job queue.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from ..chunks import ToolInputAvailable
from ._words import ChatCallbacks

__all__ = ["ToolCalls"]


class ToolCalls:
    """The callbacks under way. They run in the chat's task group."""

    def __init__(self, callbacks: ChatCallbacks, tasks: Callable[[], TaskGroup]) -> None:
        self._callbacks = callbacks
        self._tasks = tasks
        self._under_way: list[_ToolCall] = []

    async def call(self, chunk: ToolInputAvailable) -> None:
        """Call `on_tool_call` unless the provider runs the tool, and wait for it.

        If cancelled, the callback goes on; its failure is then told to `on_error`.
        """
        on_tool_call = self._callbacks.on_tool_call
        if on_tool_call is None or chunk.provider_executed is True:
            return
        answer = on_tool_call(chunk)
        if not inspect.isawaitable(answer):
            return
        call = _ToolCall()
        self._under_way.append(call)
        self._tasks().start_soon(self._run, call, answer)
        try:
            await call.done.wait()
        finally:
            call.has_reader = False
        if call.error is not None:
            raise call.error

    async def wait_until_idle(self) -> None:
        """Wait for every callback, but not for the one that asks."""
        task_id = anyio.get_current_task().id
        for call in tuple(self._under_way):
            if call.task_id != task_id:
                await call.done.wait()

    async def _run(self, call: _ToolCall, answer: Awaitable[None]) -> None:
        call.task_id = anyio.get_current_task().id
        try:
            await answer
        except Exception as error:  # noqa: BLE001  # the application's code: its failure is the reply's
            call.error = error
            if not call.has_reader and self._callbacks.on_error is not None:
                self._callbacks.on_error(error)
        finally:
            self._under_way.remove(call)
            call.done.set()


class _ToolCall:
    def __init__(self) -> None:
        self.done = anyio.Event()
        self.error: Exception | None = None
        self.has_reader = True
        self.task_id: int | None = None
