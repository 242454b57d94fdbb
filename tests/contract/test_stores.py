"""Every chat store and every run log keeps what the kit demands of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from coredis import RedisCluster
from coredis.retry import NoRetryPolicy

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import Finish, Start
from chat_transport.errors import ConnectFailed, LocalProtocolError
from chat_transport.testing.stores import (
    StoreRequirement,
    chat_store_requirements,
    run_log_requirements,
    run_store_requirement,
)
from chat_transport.transports.http.chat_store import ChatStore, MemoryChatStore
from chat_transport.transports.http.redis_run_log import RedisRunLog
from chat_transport.transports.http.run_log import LoggedRun, MemoryRunLog, RunLog
from chat_transport.transports.http.sqlite_chat_store import SqliteChatStore

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("requirement", chat_store_requirements(), ids=lambda item: item.id)
async def test_chats_in_memory(requirement: StoreRequirement[ChatStore]) -> None:
    store = MemoryChatStore()

    @asynccontextmanager
    async def opened() -> AsyncGenerator[ChatStore, None]:
        yield store

    await run_store_requirement(requirement, opened)


@pytest.mark.parametrize("requirement", chat_store_requirements(), ids=lambda item: item.id)
async def test_chats_in_sqlite(requirement: StoreRequirement[ChatStore], tmp_path: Path) -> None:
    await run_store_requirement(requirement, lambda: SqliteChatStore(tmp_path / "chats.sqlite"))


@pytest.mark.parametrize("requirement", run_log_requirements(), ids=lambda item: item.id)
async def test_runs_in_memory(requirement: StoreRequirement[RunLog]) -> None:
    log = MemoryRunLog()

    @asynccontextmanager
    async def opened() -> AsyncGenerator[RunLog, None]:
        yield log

    await run_store_requirement(requirement, opened)


@pytest.mark.parametrize("requirement", run_log_requirements(), ids=lambda item: item.id)
async def test_runs_in_redis(requirement: StoreRequirement[RunLog], redis_url: str) -> None:
    await run_store_requirement(requirement, lambda: RedisRunLog(redis_url))


@pytest.mark.parametrize("requirement", run_log_requirements(), ids=lambda item: item.id)
async def test_runs_in_a_redis_cluster(
    requirement: StoreRequirement[RunLog], redis_cluster: Any
) -> None:
    def opened() -> RedisRunLog:
        return RedisRunLog(client=RedisCluster("127.0.0.1", redis_cluster.port))

    await run_store_requirement(requirement, opened)


async def test_the_url_of_a_cluster_is_refused_with_what_to_do(redis_cluster: Any) -> None:
    runs = [LoggedRun(chat_id=f"c{number}", run_id="r") for number in range(20)]

    async def begin() -> None:
        async with RedisRunLog(redis_cluster.servers[0].url) as store:
            for run in runs:  # those of other servers' slots among them
                await store.start(run, ChunkLog("r"), lambda _reason: None)

    with anyio.fail_after(10), pytest.raises(LocalProtocolError, match="give `client=coredis"):
        await begin()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_of_a_cluster_that_falls_is_told(redis_cluster: Any) -> None:
    """Without a replica a cluster that misses a server refuses everything."""
    run = LoggedRun(chat_id="c", run_id="r")

    def client() -> RedisCluster[bytes]:
        return RedisCluster("127.0.0.1", redis_cluster.port, retry_policy=NoRetryPolicy())

    with anyio.fail_after(40):
        async with RedisRunLog(client=client()) as one, RedisRunLog(client=client()) as other:
            log = ChunkLog("r")
            await one.start(run, log, lambda _reason: None)
            log.append(Start(message_id="a"))
            found = await other.follow(run)
            assert found is not None
            assert await found.stream().__anext__() == Start(message_id="a")
            redis_cluster.servers[1].kill()
            chats = {f"c{number}" for number in range(10)}
            while chats:  # at first those on the other servers are still found
                for chat_id in set(chats):
                    try:
                        await one.find(chat_id)
                    except ConnectFailed:
                        chats.remove(chat_id)
            log.append(Finish())  # nobody waits for Redis
            log.close()
