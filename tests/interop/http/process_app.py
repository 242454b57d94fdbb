"""One of several server processes that share a Redis run log and an SQLite chat store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
import uvicorn

from chat_transport.agent.run import Run
from chat_transport.chunks import TextDelta, TextStart, UIMessageChunk
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.redis_run_log import RedisRunLog
from chat_transport.transports.http.sqlite_chat_store import SqliteChatStore


async def count(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Count up to the number that the user says, 10 ms each."""
    yield TextStart(id="t")
    for number in range(int(run.messages[-1].text)):
        yield TextDelta(id="t", delta=f"{number} ")
        await anyio.sleep(0.01)


app = create_app(
    count,
    store=SqliteChatStore(os.environ["CHATS"]),
    run_log=RedisRunLog(
        os.environ["REDIS"],
        heartbeat_s=0.2,
        dead_after_s=float(os.environ.get("DEAD_AFTER_S", "3")),
        outage_s=5.0,
    ),
)

if __name__ == "__main__":
    uvicorn.run(app, fd=int(os.environ["LISTEN_FD"]), log_level="warning")
