"""Waking all who wait, on both loops."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from chat_transport._waiters import Waiters

pytestmark = pytest.mark.anyio


async def test_one_wake_lets_all_waiters_go() -> None:
    waiters = Waiters()
    gone: list[int] = []

    async def wait(number: int) -> None:
        await waiters.wait()
        gone.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
            assert gone == []
            waiters.wake()
    assert sorted(gone) == [0, 1, 2]


async def test_a_wake_before_the_wait_is_not_kept() -> None:
    waiters = Waiters()
    waiters.wake()
    with anyio.move_on_after(0.01) as scope:
        await waiters.wait()
    assert scope.cancelled_caught


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    waiters = Waiters()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiters.wait)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert waiters._futures == []
    waiters.wake()


async def test_a_waiter_cancelled_together_with_the_wake_harms_no_other() -> None:
    waiters = Waiters()
    gone = anyio.Event()

    async def stay() -> None:
        await waiters.wait()
        gone.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, anyio.create_task_group() as others:
            tasks.start_soon(stay)
            others.start_soon(waiters.wait)
            await anyio.wait_all_tasks_blocked()
            others.cancel_scope.cancel()
            waiters.wake()
        await checkpoint()
    assert gone.is_set()
