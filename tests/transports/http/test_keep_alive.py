from __future__ import annotations

import anyio
import pytest

from chat_transport.transports.http.keep_alive import KeepAlive

pytestmark = pytest.mark.anyio


class Stream:
    def __init__(self) -> None:
        self.silent_looks = 0
        self.said = anyio.Event()
        self.stuck = False

    async def say_something(self) -> None:
        self.said.set()
        if self.stuck:
            await anyio.sleep_forever()


async def test_silent_streams_are_told_and_one_that_hangs_holds_up_no_other():
    clock, stuck, other = KeepAlive(0.01), Stream(), Stream()
    stuck.stuck = True
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            clock.watch(stuck)
            tasks.start_soon(clock.run, tasks)
            await stuck.said.wait()
            clock.watch(other)
            await other.said.wait()
            clock.stop()
            tasks.cancel_scope.cancel()


async def test_a_stream_that_speaks_is_let_alone():
    clock, speaking, silent = KeepAlive(0.02), Stream(), Stream()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            clock.watch(silent)
            tasks.start_soon(clock.run, tasks)
            clock.watch(speaking)
            while not silent.said.is_set():
                speaking.silent_looks = 0
                await anyio.lowlevel.checkpoint()
            clock.stop()
    assert not speaking.said.is_set()


async def test_a_forgotten_stream_and_a_clock_that_is_off_do_nothing():
    off, clock, stream = KeepAlive(None), KeepAlive(0.01), Stream()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            await off.run(tasks)
            clock.watch(stream)
            clock.forget(stream)
            other = Stream()
            clock.watch(other)
            tasks.start_soon(clock.run, tasks)
            await other.said.wait()
            clock.stop()
    assert not stream.said.is_set()
