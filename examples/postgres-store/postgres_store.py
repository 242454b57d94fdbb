"""`PostgresChatStore`: chats in PostgreSQL, by psycopg 3.

Rule: a change is one transaction that holds the chat's row, so that two runs of a chat may end at
the same time in two processes. Messages are kept as `json`: `jsonb` refuses NUL and half a
surrogate pair, both of which models write.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from psycopg import AsyncCursor
from psycopg_pool import AsyncConnectionPool

from chat_transport import UIMessage, load_messages
from chat_transport.transports.http import ChatStore, StoredChat

SCHEMA = """
CREATE TABLE IF NOT EXISTS chats (chat_id text PRIMARY KEY, owner text);
CREATE TABLE IF NOT EXISTS messages (
  chat_id text NOT NULL REFERENCES chats ON DELETE CASCADE,
  place bigint NOT NULL, id text NOT NULL, message json NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_place ON messages (chat_id, place);
CREATE INDEX IF NOT EXISTS messages_by_id ON messages (chat_id, id);
"""
READ = "SELECT message::text FROM messages WHERE chat_id = %s ORDER BY place"
INSERT = "INSERT INTO messages (chat_id, place, id, message) VALUES (%s, %s, %s, %s)"
Cursor = AsyncCursor[tuple[Any, ...]]
log = logging.getLogger(__name__)


class PostgresChatStore(ChatStore):
    """Chats in a PostgreSQL database; opening it makes the tables.

    Args:
        url: Such as `postgresql://user@host/database`.
        connections: Connections at most.
    """

    def __init__(self, url: str, *, connections: int = 10) -> None:
        self._pool = AsyncConnectionPool(
            url, max_size=connections, open=False, check=AsyncConnectionPool.check_connection
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=True)
        async with self._pool.connection() as connection:
            # Several processes may start at once: one makes the tables, the others wait.
            await connection.execute("SELECT pg_advisory_xact_lock(7311)")
            await connection.execute(SCHEMA)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._pool.close()

    async def load(self, chat_id: str) -> StoredChat | None:
        async with self._pool.connection() as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found = await connection.execute(
                "SELECT owner FROM chats WHERE chat_id = %s", (chat_id,)
            )
            chat = await found.fetchone()
            rows = await (await connection.execute(READ, (chat_id,))).fetchall()
        if chat is None:
            return None
        loaded = load_messages([json.loads(text) for (text,) in rows])
        for problem in loaded.problems:  # one bad part does not make the chat unreadable
            log.warning("chat %r: %s: %s", chat_id, problem.path, problem.reason)
        return StoredChat(messages=loaded.messages, owner=chat[0])

    async def save(self, chat_id: str, chat: StoredChat) -> None:
        async with self._changing(chat_id) as cursor:
            await cursor.execute(
                "UPDATE chats SET owner = %s WHERE chat_id = %s", (chat.owner, chat_id)
            )
            old = [text for (text,) in await (await cursor.execute(READ, (chat_id,))).fetchall()]
            new = [_dump(message) for message in chat.messages]
            same = 0  # a chat mostly grows: what is there already is not written again
            while same < min(len(old), len(new)) and old[same] == new[same]:
                same += 1
            await cursor.execute(
                "DELETE FROM messages WHERE chat_id = %s AND place >= %s", (chat_id, same)
            )
            rows = zip(range(same, len(new)), chat.messages[same:], new[same:], strict=True)
            await cursor.executemany(
                INSERT, [(chat_id, place, message.id, text) for place, message, text in rows]
            )

    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        text = _dump(message)
        async with self._changing(chat_id) as cursor:
            await cursor.execute(
                "UPDATE messages SET message = %s WHERE chat_id = %s AND id = %s",
                (text, chat_id, message.id),
            )
            if cursor.rowcount:
                return
            await cursor.execute(
                "SELECT COALESCE(MIN(place) FILTER (WHERE id = %s), MAX(place), -1) + 1"
                " FROM messages WHERE chat_id = %s",
                (after_id, chat_id),
            )
            found = await cursor.fetchone()
            assert found is not None
            await cursor.execute(
                "UPDATE messages SET place = place + 1 WHERE chat_id = %s AND place >= %s",
                (chat_id, found[0]),
            )
            await cursor.execute(INSERT, (chat_id, found[0], message.id, text))

    @asynccontextmanager
    async def _changing(self, chat_id: str) -> AsyncGenerator[Cursor, None]:
        """Hold the chat's row, made if it is not there, until the change is written."""
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.execute(
                "INSERT INTO chats (chat_id) VALUES (%s) ON CONFLICT DO NOTHING", (chat_id,)
            )
            await cursor.execute("SELECT 1 FROM chats WHERE chat_id = %s FOR UPDATE", (chat_id,))
            yield cursor


def _dump(message: UIMessage) -> str:
    return json.dumps(message.to_wire())
