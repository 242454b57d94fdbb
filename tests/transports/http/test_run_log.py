from __future__ import annotations

import anyio
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.errors import StreamInterrupted
from chat_transport.transports.http.run_log import LoggedRun, MemoryRunLog

pytestmark = pytest.mark.anyio


def run(name: str, chat_id: str = "c", key: str | None = None) -> LoggedRun:
    return LoggedRun(chat_id=chat_id, run_id=name, request_key=key)


async def test_the_newest_active_run_is_found_and_ended_ones_by_name():
    async with MemoryRunLog() as runs:
        logs = {name: ChunkLog(name) for name in ("r1", "r2")}
        for name, log in logs.items():
            await runs.start(run(name, key=f"key-{name}"), log, lambda _reason: None)
        assert await runs.find("c") == run("r2", key="key-r2")
        logs["r2"].close()
        assert await runs.find("c") == run("r1", key="key-r1")
        ended = await runs.find("c", run_id="r2")
        assert ended is not None
        assert ended.state == "ended"
        assert await runs.find("c", request_key="key-r2") == ended
        assert await runs.follow(ended) is logs["r2"]
        assert await runs.find("other") is None
        assert await runs.follow(run("gone")) is None


async def test_a_log_that_broke_is_an_interrupted_run():
    async with MemoryRunLog() as runs:
        log = ChunkLog("r1")
        await runs.start(run("r1"), log, lambda _reason: None)
        log.close(StreamInterrupted("broke"))
        found = await runs.find("c", run_id="r1")
        assert found is not None
        assert found.state == "interrupted"


async def test_stop_asks_one_run_or_all_that_are_active():
    asked: list[tuple[str, str | None]] = []
    async with MemoryRunLog() as runs:
        for name in ("r1", "r2", "r3"):
            log = ChunkLog(name)
            await runs.start(run(name), log, lambda reason, name=name: asked.append((name, reason)))
        log.close()
        assert await runs.stop("c", "r1", "enough") == 1
        assert await runs.stop("c") == 2
        assert await runs.stop("nobody") == 0
    assert asked == [("r1", "enough"), ("r1", None), ("r2", None)]


async def test_ended_runs_are_forgotten_by_number_and_by_age():
    async with MemoryRunLog(keep_runs=2) as runs:
        for number in range(6):
            log = ChunkLog()
            await runs.start(run(f"r{number}", f"c{number}"), log, lambda _reason: None)
            log.close()
        await runs.start(run("last", "last"), ChunkLog(), lambda _reason: None)
        known = [n for n in range(6) if await runs.find(f"c{n}", run_id=f"r{n}")]
        assert known == [4, 5]
    async with MemoryRunLog(keep_s=0) as runs:
        log = ChunkLog()
        await runs.start(run("old"), log, lambda _reason: None)
        log.close()
        await runs.start(run("new"), ChunkLog(), lambda _reason: None)
        await anyio.lowlevel.checkpoint()
        await runs.start(run("newer"), ChunkLog(), lambda _reason: None)
        assert await runs.find("c", run_id="old") is None
