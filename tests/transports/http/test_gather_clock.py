"""Windows of many readers, ended by one clock."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from chat_transport.transports.http.gather_clock import GatherClock

pytestmark = pytest.mark.anyio
WINDOW_S = 0.2


async def test_a_window_is_as_long_as_was_asked():
    clock = GatherClock(WINDOW_S)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.run)
            await clock.wait()  # in step with the clock from here on
            begun_s = anyio.current_time()
            await clock.wait()
            await clock.wait()
            spent_s = anyio.current_time() - begun_s
            clock.stop()
    assert spent_s >= WINDOW_S  # nearly twice that, less what the first one was told late


async def test_readers_that_begin_together_end_together_and_no_other_with_them():
    clock, ended = GatherClock(WINDOW_S), list[str]()

    async def gather(name: str) -> None:
        await clock.wait()
        ended.append(name)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as readers:
                readers.start_soon(gather, "first")
                readers.start_soon(gather, "with it")
                await anyio.wait_all_tasks_blocked()
                clock._latest += 1
                readers.start_soon(gather, "a slot later")
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(clock.run)
            clock.stop()
    assert sorted(ended[:2]) == ["first", "with it"]
    assert ended[2:] == ["a slot later"]


async def test_the_clock_sleeps_while_nobody_gathers_and_goes_on_for_the_next():
    clock = GatherClock(0.01)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.run)
            await clock.wait()
            while not (clock._begun._futures or clock._begun._event):
                await anyio.lowlevel.checkpoint()
            await clock.wait()
            clock.stop()


async def test_who_leaves_is_not_waited_for():
    clock = GatherClock(0.01)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.wait)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert clock._waiting == 0


async def test_stopping_ends_the_windows_and_no_more_begin():
    clock, early = GatherClock(60), GatherClock(60)
    early.stop()
    with anyio.fail_after(5):
        await early.run()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.run)
            tasks.start_soon(clock.wait)
            await anyio.wait_all_tasks_blocked()
            clock.stop()
        await clock.wait()
