from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from coredis import Redis

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import Finish, Start, TextDelta, TextStart, UIMessageChunk
from chat_transport.errors import ConnectFailed, StreamInterrupted
from chat_transport.transports.http.redis_run_log import RedisRunLog
from chat_transport.transports.http.run_log import LoggedRun

pytestmark = pytest.mark.anyio
RUN = LoggedRun(chat_id="c:1", run_id="r1", owner="ann", request_key="k1")
REPLY: list[UIMessageChunk] = [
    Start(message_id="a1"),
    TextStart(id="t"),
    TextDelta(id="t", delta="line\nbreak é 🐙"),
    TextDelta(id="t", delta="more"),
    Finish(),
]


@pytest.fixture
async def two(redis_server) -> AsyncIterator[tuple[RedisRunLog, RedisRunLog]]:
    """Two processes' logs, as far as Redis can tell."""
    async with both(redis_server.url, outage_s=15) as logs:
        yield logs


@asynccontextmanager
async def both(url: str, *, outage_s: float) -> AsyncIterator[tuple[RedisRunLog, RedisRunLog]]:
    """Death is seen soon, but not where a busy machine only paused."""
    times = {"heartbeat_s": 0.1, "dead_after_s": 2.0, "outage_s": outage_s}
    async with RedisRunLog(url, **times) as one, RedisRunLog(url, **times) as other:
        yield one, other


async def read(log: ChunkLog) -> list[UIMessageChunk]:
    return [chunk async for chunk in log.stream()]


def never(reason: str | None) -> None:
    pytest.fail(f"stopped: {reason}")


async def test_a_run_of_one_process_is_found_and_followed_in_another(two):
    one, other = two
    log = ChunkLog("r1")
    with anyio.fail_after(10):
        await one.start(RUN, log, never)
        log.extend(REPLY[:2])
        found = await other.find("c:1")
        assert found == RUN
        mirror = await other.follow(found)
        stream = mirror.stream()
        assert [await stream.__anext__(), await stream.__anext__()] == REPLY[:2]
        log.extend(REPLY[2:])
        log.close()
        assert [chunk async for chunk in stream] == REPLY[2:]


@pytest.mark.parametrize("turns", range(6))
async def test_leaving_while_an_end_is_being_written_writes_it_once(redis_server, turns):
    log = ChunkLog("r1")
    with anyio.fail_after(10):
        async with RedisRunLog(redis_server.url, write_every_s=0) as other:
            async with RedisRunLog(redis_server.url, write_every_s=0) as one:
                await one.start(RUN, log, never)
                log.extend(REPLY)
                log.close()
                for _turn in range(turns):
                    await anyio.lowlevel.checkpoint()
            assert await read(await other.follow(RUN)) == REPLY


async def test_resume_from_every_place_gives_the_rest(two):
    one, other = two
    log = ChunkLog("r1")
    with anyio.fail_after(10):
        await one.start(RUN, log, never)
        log.extend(REPLY)
        log.close()
        mirror = await other.follow(RUN)
        await read(mirror)
        for k in range(len(REPLY) + 1):
            rest = [chunk async for chunk in mirror.stream(k)]
            assert [*mirror.since(0, k), *rest] == REPLY if k else rest == REPLY


async def test_an_ended_run_is_not_active_but_known_by_id_and_key(two):
    one, other = two
    log = ChunkLog("r1")
    with anyio.fail_after(10):
        await one.start(RUN, log, never)
        log.extend(REPLY)
        log.close()
        await read(await other.follow(RUN))
        assert await other.find("c:1") is None
        by_id = await other.find("c:1", run_id="r1")
        by_key = await other.find("c:1", request_key="k1")
        assert by_id == by_key
        assert by_id.state == "ended"
        assert await read(await other.follow(by_id)) == REPLY
        assert await other.find("c:1", run_id="unknown") is None
        assert await other.find("other", request_key="k1") is None


async def test_stop_reaches_the_process_that_runs(two):
    one, other = two
    log, stopped = ChunkLog("r1"), anyio.Event()
    reasons: list[str | None] = []

    def stop(reason: str | None) -> None:
        reasons.append(reason)
        stopped.set()

    with anyio.fail_after(10):
        await one.start(RUN, log, stop)
        assert await other.stop("c:1", reason="enough") == 1
        await stopped.wait()
        assert reasons == ["enough"]
        assert await other.stop("nobody") == 0
        assert await one.stop("c:1", "r1") == 1
        assert reasons == ["enough", None]


async def test_a_process_that_goes_away_leaves_its_run_interrupted(two, redis_server):
    _, other = two
    log, started = ChunkLog("r1"), anyio.Event()

    async def doomed() -> None:
        async with RedisRunLog(redis_server.url) as run_log:
            await run_log.start(RUN, log, never)
            log.extend(REPLY[:3])
            started.set()
            await anyio.sleep_forever()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(doomed)
            await started.wait()
            stream = (await other.follow(RUN)).stream()
            for chunk in REPLY[:3]:
                assert await stream.__anext__() == chunk
            tasks.cancel_scope.cancel()
        with pytest.raises(StreamInterrupted, match="died"):
            await stream.__anext__()
        assert await other.find("c:1") is None
        found = await other.find("c:1", run_id="r1")
        assert found.state == "interrupted"


async def test_a_writer_that_was_declared_dead_writes_no_more(two):
    one, other = two
    log, stopped = ChunkLog("r1"), anyio.Event()
    with anyio.fail_after(10):
        await one.start(RUN, log, lambda _reason: stopped.set())
        log.extend(REPLY[:2])
        mirror = await other.follow(RUN)
        stream = mirror.stream()
        for chunk in REPLY[:2]:
            assert await stream.__anext__() == chunk
        redis, name = other._port._redis, other._port.keys_of(RUN).run
        await redis.hincrby(name, "fence", 1)
        log.extend(REPLY[2:])
        await stopped.wait()
        assert await redis.hget(name, "next") == b"2"


async def test_redis_that_comes_back_empty_gets_the_run_again(two, redis_server):
    one, other = two
    log = ChunkLog("r1")
    with anyio.fail_after(20):
        await one.start(RUN, log, never)
        log.extend(REPLY[:3])
        stream = (await other.follow(RUN)).stream()
        for chunk in REPLY[:3]:
            assert await stream.__anext__() == chunk
        redis_server.kill()
        redis_server.start()
        log.extend(REPLY[3:])
        log.close()
        assert [chunk async for chunk in stream] == REPLY[3:]


async def test_a_redis_that_comes_back_with_an_earlier_clock_is_heard(two, redis_server):
    """Words to a process are dated by Redis; one from tomorrow must not hide those of today."""
    one, other = two
    log, stopped = ChunkLog("r1"), anyio.Event()
    with anyio.fail_after(20):
        await one.start(RUN, log, lambda _reason: stopped.set())
        inbox = one._port.inbox(one._process)
        await one._port._redis.xadd(inbox, {"look": "again"}, identifier="99999999999999-0")
        while await one._port._redis.xlen(inbox):
            await anyio.lowlevel.checkpoint()
        # Both listen again: between two reads nobody would notice so short an absence.
        while (await one._port._redis.info("clients"))["blocked_clients"] != 2:
            await anyio.lowlevel.checkpoint()
        redis_server.kill()
        redis_server.start()
        log.append(REPLY[0])
        stream = (await followed(other)).stream()
        assert await stream.__anext__() == REPLY[0]
        assert await other.stop("c:1") == 1
        await stopped.wait()


async def followed(run_log: RedisRunLog) -> ChunkLog:
    """Follow the run as soon as Redis knows it again."""
    while True:
        try:
            log = await run_log.follow(RUN)
        except ConnectFailed:
            log = None
        if log is not None:
            return log
        await anyio.sleep(0.02)  # Redis says by nothing that it is back


async def test_of_two_processes_that_claim_a_run_the_later_one_has_it(two, redis_server):
    one, other = two
    first, second, stopped = ChunkLog("r1"), ChunkLog("r1"), anyio.Event()
    reasons: list[str | None] = []

    def stop(reason: str | None) -> None:
        reasons.append(reason)
        stopped.set()

    with anyio.fail_after(10):
        async with RedisRunLog(redis_server.url) as reader:
            await one.start(RUN, first, stop)
            first.extend(REPLY[:3])
            old = (await reader.follow(RUN)).stream()
            for chunk in REPLY[:3]:
                assert await old.__anext__() == chunk
            await other.start(RUN, second, never)
            second.extend(REPLY[:2])
            first.extend(REPLY[3:])
            await stopped.wait()
            second.extend(REPLY[2:])
            second.close()
            with pytest.raises(StreamInterrupted, match="took the run over"):
                await old.__anext__()
            assert await read(await reader.follow(RUN)) == REPLY
    assert reasons == ["the run was taken over by another process"]


async def test_a_run_that_redis_forgot_is_not_declared_dead_before_its_process_says_it_lives(
    redis_server,
):
    log = ChunkLog("r1")
    async with (
        RedisRunLog(redis_server.url, heartbeat_s=60, dead_after_s=60) as one,
        RedisRunLog(redis_server.url, heartbeat_s=0.01, dead_after_s=5) as other,
        Redis.from_url(redis_server.url) as redis,
    ):
        with anyio.fail_after(10):
            await one.start(RUN, log, never)
            log.extend(REPLY[:3])
            mirror = await other.follow(RUN)
            stream = mirror.stream()
            assert [await stream.__anext__() for _ in range(3)] == REPLY[:3]
            await redis.flushall()
            log.append(REPLY[3])
            assert await stream.__anext__() == REPLY[3]
            for _look in range(20):
                assert (await other.find("c:1")) == RUN
            log.append(REPLY[4])
            log.close()
            assert [chunk async for chunk in stream] == REPLY[4:]


async def test_redis_that_stays_away_ends_followers_as_resumable(redis_server):
    log = ChunkLog("r1")
    with anyio.fail_after(20):
        async with both(redis_server.url, outage_s=1) as (one, other):
            await one.start(RUN, log, never)
            log.extend(REPLY[:1])
            stream = (await other.follow(RUN)).stream()
            assert await stream.__anext__() == REPLY[0]
            redis_server.kill()
            with pytest.raises(StreamInterrupted, match="cannot be reached") as caught:
                await stream.__anext__()
            assert caught.value.resumable
            with pytest.raises(ConnectFailed):
                await other.find("c:1")


async def test_a_redis_that_is_not_there_fails_on_entering():
    with pytest.raises(ConnectFailed, match="unable to reach the run log"):
        async with RedisRunLog("redis://127.0.0.1:1/0"):
            pytest.fail("entered")


async def test_a_client_of_yours_is_not_closed(redis_server):
    async with Redis.from_url(redis_server.url) as client:
        async with RedisRunLog(client=client) as run_log:
            assert await run_log.find("nobody") is None
        assert await client.ping()


async def test_a_client_that_you_have_not_opened_is_opened(redis_server):
    async with RedisRunLog(client=Redis.from_url(redis_server.url)) as run_log:
        assert await run_log.find("nobody") is None


async def test_an_error_in_the_block_goes_out_bare(redis_server):
    with pytest.raises(KeyError):
        async with RedisRunLog(redis_server.url):
            raise KeyError


async def test_a_local_run_is_followed_without_a_copy(two):
    one, _ = two
    log = ChunkLog("r1")
    await one.start(RUN, log, never)
    assert await one.follow(RUN) is log


async def test_many_runs_may_start_at_once(redis_server):
    # With the patience of a real server: 300 runs may keep a busy machine from its heartbeats.
    one, other = RedisRunLog(redis_server.url), RedisRunLog(redis_server.url)

    async def start(number: int) -> None:
        name = f"r{number}"
        run = LoggedRun(chat_id=f"c{number}", run_id=name)
        await one.start(run, ChunkLog(name), never)
        assert await other.find(f"c{number}") == run

    with anyio.fail_after(20):
        async with one, other, anyio.create_task_group() as tasks:
            for number in range(300):
                tasks.start_soon(start, number)
