"""Structured tasks for our public context managers.

Rule: one error goes out bare; only several errors at once are a group.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

__all__ = ["open_task_group"]


@asynccontextmanager
async def open_task_group() -> AsyncGenerator[TaskGroup, None]:
    """Open a task group whose single error leaves as itself, with its cause kept.

    A plain anyio group wraps the caller's `ValueError` in an `ExceptionGroup`.
    """
    try:
        async with anyio.create_task_group() as group:
            yield group
    except BaseExceptionGroup as raised:
        only = _only_error(raised)
        if only is None:
            raise
        cause, context, suppress = only.__cause__, only.__context__, only.__suppress_context__
        try:
            raise only
        finally:
            only.__cause__, only.__context__ = cause, context
            only.__suppress_context__ = suppress


def _only_error(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) != 1:
            return None
        error = error.exceptions[0]
    return error
