from __future__ import annotations

import pytest

from chat_transport.errors import TransportClosed
from chat_transport.transports.http.redis_port import Append, RedisPort, StoredRun
from chat_transport.transports.http.run_log import LoggedRun

pytestmark = pytest.mark.anyio
RUN = LoggedRun(chat_id="c", run_id="r", owner="ann", request_key="k")


def append(
    first: int, count: int, *, run: LoggedRun = RUN, fence: int = 1, ends: bool = False
) -> Append:
    lines = b"\n".join(b"%d" % number for number in range(first, first + count))
    keys = RedisPort("", None, "t", keep_s=1).keys_of(run)
    return Append(
        run=run, keys=keys, fence=fence, first=first, count=count, chunks=lines, ends=ends
    )


async def test_a_batch_that_was_taken_already_is_not_taken_twice(redis_server):
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        await port.beat("p", 10)
        assert await port.register(RUN, "p", 1) == 1
        assert await port.append([append(0, 2)], "p") == [2]
        assert await port.append([append(0, 2)], "p") == [2]  # the first answer was lost
        assert await port.append([append(2, 1, fence=0)], "p") == [-2]
        assert await port.append([append(2, 1, ends=True)], "p") == [3]
        entries = await port.entries(RUN)
        found = await port.run("c", "r")
    assert [entry.fields.get(b"c") for entry in entries] == [b"0\n1", b"2", None]
    assert found is not None
    assert found.run.state == "ended"


async def test_a_batch_of_many_runs_gets_a_place_for_each(redis_server):
    runs = [LoggedRun(chat_id=f"c{number}", run_id="r") for number in range(120)]
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        for run in runs[1:]:
            await port.register(run, "p", 1)
        batch = [append(0, number, run=run) for number, run in enumerate(runs)]
        assert await port.append(batch, "p") == [-1, *range(1, 120)]
        assert [entry.id for entry in await port.entries(runs[7])] == [b"7-0"]


async def test_a_run_that_is_declared_dead_takes_nothing_more(redis_server):
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        await port.beat("p", 10)
        assert await port.lives("p")
        await port.register(RUN, "p", 1)
        found = await port.run("c", "r")
        assert found == StoredRun(RUN, "p", 1)
        assert await port.declare_dead(StoredRun(RUN, "p", fence=2)) == 0  # begun anew meanwhile
        assert await port.declare_dead(found) == 1
        assert await port.declare_dead(found) == 0
        assert await port.append([append(0, 1)], "p") == [-2]
        assert await port.active("c") == []
        await port.say_gone("p")
        assert not await port.lives("p")


async def test_whoever_takes_a_run_over_writes_with_a_higher_fence(redis_server):
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        assert await port.register(RUN, "one", 1) == 1
        assert await port.register(RUN, "two", 1) == 2
        assert await port.append([append(0, 1), append(0, 1, fence=2)], "two") == [-2, 1]


async def test_a_key_is_taken_once_and_by_the_same_token_again(redis_server):
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        assert await port.named("c", "k") is None
        assert await port.reserve("c", "k", "mine")
        assert await port.reserve("c", "k", "mine")  # its answer was lost
        assert not await port.reserve("c", "k", "other")
        assert await port.named("c", "k") == ""
        await port.register(RUN, "p", 1)
        assert await port.named("c", "k") == "r"


def test_no_two_runs_share_a_key():
    port = RedisPort("", None, "t", keep_s=1)
    names = ["a:b", "a%3Ab", "a", "{a}", "}a{", "a}:run:{b", "", "ä", "\ud83d"]
    runs = [LoggedRun(chat_id=chat, run_id=run) for chat in names for run in names]
    assert len({port.keys_of(run).run for run in runs}) == len(runs)
    assert port.keys_of(LoggedRun(chat_id="{x}", run_id="r")).log == b"t:{chat:%7Bx%7D}:log:r"


async def test_use_before_connecting_says_so():
    with pytest.raises(TransportClosed, match="not entered"):
        await RedisPort("redis://x", None, "t", keep_s=1).active("c")
