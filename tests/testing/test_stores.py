"""The kit for stores finds what is wrong with one; that it lets good ones pass is in tests/contract."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.messages import UIMessage
from chat_transport.testing.harness import RequirementFailed
from chat_transport.testing.stores import (
    chat_store_requirements,
    run_log_requirements,
    run_store_requirement,
)
from chat_transport.transports.http.chat_store import ChatStore, MemoryChatStore, StoredChat
from chat_transport.transports.http.run_log import LoggedRun, MemoryRunLog, RunLog, StopCallback

pytestmark = pytest.mark.anyio


class Appending(MemoryChatStore):
    """Puts everything last."""

    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        chat = await self.load(chat_id) or StoredChat()
        messages = [*chat.messages, message]
        await self.save(chat_id, StoredChat(messages=messages, owner=chat.owner))


class Forgetful(MemoryRunLog):
    """Keeps a run without what it goes on with, and without its owner."""

    async def start(self, run: LoggedRun, log: ChunkLog, stop: StopCallback) -> None:
        bare = LoggedRun(chat_id=run.chat_id, run_id=run.run_id, request_key=run.request_key)
        await super().start(bare, log, stop)


async def failing_chat_store(store: ChatStore) -> set[str]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[ChatStore, None]:
        yield store

    failed = set()
    for item in chat_store_requirements():
        try:
            await run_store_requirement(item, opened)
        except RequirementFailed:
            failed.add(item.id)
    return failed


async def failing_run_log(log: RunLog) -> set[str]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[RunLog, None]:
        yield log

    failed = set()
    for item in run_log_requirements():
        try:
            await run_store_requirement(item, opened)
        except RequirementFailed:
            failed.add(item.id)
    return failed


async def test_a_store_that_puts_everything_last_is_found_out() -> None:
    wrong = {"put-places", "put-at-once", "put-then-save", "store-long"}
    assert await failing_chat_store(Appending()) <= wrong
    assert await failing_chat_store(Appending()) >= {"put-places", "put-at-once", "store-long"}


async def test_a_run_log_that_forgets_is_found_out() -> None:
    assert await failing_run_log(Forgetful()) == {"run-found"}


async def test_openings_that_do_not_share_are_found_out() -> None:
    requirement = next(item for item in chat_store_requirements() if item.id == "store-shared")
    with pytest.raises(RequirementFailed, match="is not there"):
        await run_store_requirement(requirement, MemoryChatStore)


def test_the_page_lists_every_requirement() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/how-to/write-a-store.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \|$", page, re.MULTILINE)
    wanted = (*chat_store_requirements(), *run_log_requirements())
    assert rows == [(item.id, item.says) for item in wanted]
