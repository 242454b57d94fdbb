"""One writer, any number of readers, each at its own place."""

from __future__ import annotations

import anyio
import pytest

from chat_transport._chunk_log import CATCH_UP, PAGE, ChunkLog
from chat_transport.chunks import Finish, TextDelta, TextStart, UIMessageChunk

pytestmark = pytest.mark.anyio


def deltas(*numbers: int) -> list[UIMessageChunk]:
    return [TextDelta(id="t", delta=f"{number} ") for number in numbers]


async def read(log: ChunkLog, start: int = 0) -> list[UIMessageChunk]:
    return [chunk async for chunk in log.stream(start)]


async def test_a_reader_gets_the_past_and_then_each_chunk_live() -> None:
    log = ChunkLog("run")
    log.extend(deltas(0, 1))
    stream = log.stream()
    seen: list[UIMessageChunk] = []
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def follow() -> None:
                seen.extend([chunk async for chunk in stream])

            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            log.append(deltas(2)[0])
            await anyio.wait_all_tasks_blocked()
            log.append(deltas(3)[0])
            log.close()
    assert seen == deltas(0, 1, 2, 3)
    assert stream.run_id == "run"


async def test_what_came_before_and_a_stream_from_there_is_everything() -> None:
    log = ChunkLog()
    log.extend(deltas(*range(300)))
    log.close()
    with anyio.fail_after(5):
        for start in (0, 1, 64, 127, 128, 129, 299, 300):
            assert [*log.since(0, start), *await read(log, start)] == deltas(*range(300))


async def test_an_error_comes_after_the_last_chunk_to_every_reader() -> None:
    log = ChunkLog()
    log.append(deltas(1)[0])
    log.close(ValueError("gone"))
    log.close()
    for _reader in range(2):
        stream = log.stream()
        assert await anext(stream) == deltas(1)[0]
        with pytest.raises(ValueError, match="gone"):
            await anext(stream)
    with pytest.raises(ValueError, match="gone"):
        await log.stream(1).drain()


async def test_nothing_is_added_once_closed() -> None:
    log = ChunkLog()
    log.close()
    log.append(deltas(1)[0])
    log.extend(deltas(1))
    assert len(log) == 0
    assert await read(log) == []


async def test_who_is_there_from_the_first_chunk_gets_each_as_it_was_said() -> None:
    log = ChunkLog()
    log.append(TextStart(id="t"))
    stream = log.stream(snapshot=True)
    log.extend(deltas(0, 1, 2))
    assert list(await stream.drain())[1:] == deltas(0, 1, 2)


async def test_a_snapshot_is_the_past_in_few_chunks_and_then_live() -> None:
    log = ChunkLog()
    log.append(TextStart(id="t"))
    log.extend(deltas(*range(1_000)))
    stream = log.stream(snapshot=True)
    first = await stream.drain()
    assert len(first) == 2
    assert first[1] == TextDelta(id="t", delta="".join(f"{n} " for n in range(1_000)))
    log.extend(deltas(1_000, 1_001))
    assert list(await stream.drain()) == deltas(1_000, 1_001)


async def test_a_snapshot_reader_that_falls_back_gets_joined_deltas_again() -> None:
    log = ChunkLog()
    log.append(TextStart(id="t"))
    stream = log.stream(snapshot=True)
    await stream.drain()
    log.extend(deltas(*range(CATCH_UP + 1)))
    assert len(await stream.drain()) == 1


async def test_a_slow_reader_is_given_pages_and_holds_no_copy() -> None:
    log = ChunkLog()
    log.extend(deltas(*range(2 * PAGE + 5)))
    log.close()
    stream = log.stream()
    sizes = []
    while page := await stream.drain():
        sizes.append(len(page))
    assert sizes == [PAGE, PAGE, 5]


async def test_draining_after_single_steps_gives_the_rest() -> None:
    log = ChunkLog()
    log.extend([*deltas(1, 2, 3), Finish()])
    log.close()
    stream = log.stream()
    assert await anext(stream) == deltas(1)[0]
    assert list(await stream.drain()) == [*deltas(2, 3), Finish()]
    assert list(await stream.drain()) == []
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_cancelled_reader_can_read_on() -> None:
    log = ChunkLog()
    stream = log.stream()
    with anyio.move_on_after(0.01):
        await anext(stream)
    log.append(deltas(1)[0])
    with anyio.fail_after(5):
        assert await anext(stream) == deltas(1)[0]


async def test_changed_waits_for_the_next_append_or_close() -> None:
    log = ChunkLog()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.changed)
            await anyio.wait_all_tasks_blocked()
            log.close()
