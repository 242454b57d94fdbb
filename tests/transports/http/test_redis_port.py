from __future__ import annotations

import pytest

from chat_transport.errors import LocalProtocolError, TransportClosed
from chat_transport.transports.http.redis_port import Append, RedisPort, is_outage
from chat_transport.transports.http.run_log import LoggedRun

pytestmark = pytest.mark.anyio
RUN = LoggedRun(chat_id="c", run_id="r", owner="ann", request_key="k")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # redis-py runs on asyncio alone


def append(first: int, count: int, *, fence: int = 1, ends: bool = False) -> Append:
    lines = b"\n".join(b"%d" % number for number in range(first, first + count))
    return Append(run=RUN, fence=fence, first=first, count=count, chunks=lines, ends=ends)


async def test_a_batch_that_was_taken_already_is_not_taken_twice(redis_server):
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        await port.beat("p", 10)
        await port.register(RUN, "p", 1)
        assert await port.append([append(0, 2)]) == [2]
        assert await port.append([append(0, 2)]) == [2]  # the first answer was lost
        assert await port.append([append(2, 1, fence=0)]) == [-2]
        assert await port.append([append(2, 1, ends=True)]) == [3]
        entries = await port.entries(RUN)
        found = await port.run("c", "r")
    assert [entry.fields.get(b"c") for entry in entries] == [b"0\n1", b"2", None]
    assert found is not None
    assert found[0].state == "ended"


async def test_a_process_is_dead_only_without_its_sign_of_life(redis_server):
    port = RedisPort(redis_server.url, None, "t", keep_s=10)
    async with port.connected():
        assert await port.declare_dead(RUN, "p") == -1
        await port.beat("p", 10)
        await port.register(RUN, "p", 1)
        assert await port.declare_dead(RUN, "p") == 0
        await port.say_gone("p")
        assert await port.declare_dead(RUN, "p") == 1
        assert await port.append([append(0, 1)]) == [-2]
        assert await port.active("c") == []


async def test_use_before_connecting_says_so():
    with pytest.raises(TransportClosed, match="not entered"):
        await RedisPort("redis://x", None, "t", keep_s=1).active("c")


async def test_a_cluster_is_refused_with_what_to_do():
    class RedisCluster:
        pass

    port = RedisPort("", RedisCluster(), "t", keep_s=1)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="one command: give a client of one server"):
        async with port.connected():
            pytest.fail("connected")


def test_an_outage_is_told_by_name():
    class BusyLoadingError(Exception):
        pass

    assert is_outage(OSError())
    assert is_outage(BusyLoadingError())
    assert not is_outage(ValueError())
