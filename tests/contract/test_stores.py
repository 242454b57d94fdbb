"""Every chat store and every run log keeps what the kit demands of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from coredis import RedisCluster

from chat_transport.testing.stores import (
    StoreRequirement,
    chat_store_requirements,
    run_log_requirements,
    run_store_requirement,
)
from chat_transport.transports.http.chat_store import ChatStore, MemoryChatStore
from chat_transport.transports.http.redis_run_log import RedisRunLog
from chat_transport.transports.http.run_log import MemoryRunLog, RunLog
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
    requirement: StoreRequirement[RunLog], redis_cluster: int
) -> None:
    def opened() -> RedisRunLog:
        return RedisRunLog(client=RedisCluster("127.0.0.1", redis_cluster))

    await run_store_requirement(requirement, opened)
