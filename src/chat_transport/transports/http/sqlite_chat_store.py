"""`SqliteChatStore`: chats in one file, shared by the processes of one machine.

Rule: every statement runs in a worker thread, one at a time; a change is one transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from ...errors import ConnectFailed, TransportClosed
from ...messages import UIMessage
from .chat_store import ChatStore, StoredChat
from .stored_messages import dump_stored, load_stored, read_stored

__all__ = ["SqliteChatStore"]

Result = TypeVar("Result")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS chats (chat_id TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
  chat_id TEXT NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, message BLOB NOT NULL,
  PRIMARY KEY (chat_id, place)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_by_id ON messages (chat_id, id);
"""
_READ = "SELECT message FROM messages WHERE chat_id = ? ORDER BY place"
_INSERT = "INSERT INTO messages (chat_id, place, id, message) VALUES (?, ?, ?, ?)"


class SqliteChatStore(ChatStore):
    """Chats in an SQLite file.

    Args:
        path: The file; made if it is not there. Its folder must exist.
        busy_timeout_s: Seconds to wait for another process that writes; 0 fails at once.
    """

    def __init__(self, path: str | Path, *, busy_timeout_s: float = 10.0) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._one_at_a_time: CapacityLimiter | None = None

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            ConnectFailed: If the folder is not there, or the file is no database.
        """
        self._one_at_a_time = CapacityLimiter(1)
        try:
            self._connection = await to_thread.run_sync(self._open)
        except sqlite3.Error as error:
            raise ConnectFailed(
                f"unable to keep chats in {str(self._path)!r}; {error}: give a file in a folder "
                "that exists and may be written"
            ) from error
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(connection.close, limiter=self._one_at_a_time)

    async def load(self, chat_id: str) -> StoredChat | None:
        """Read the chat; what cannot be read of it is left out, with a warning in the log."""

        def read(connection: sqlite3.Connection) -> StoredChat | None:
            with closing(connection.cursor()) as cursor:
                row = cursor.execute(
                    "SELECT owner FROM chats WHERE chat_id = ?", (chat_id,)
                ).fetchone()
                if row is None:
                    return None
                found = cursor.execute(_READ, (chat_id,)).fetchall()
            stored = [load_stored(message) for (message,) in found]
            return StoredChat(messages=read_stored(stored, chat_id=chat_id), owner=row[0])

        return await self._run(read)

    async def save(self, chat_id: str, chat: StoredChat) -> None:
        """Write the chat, leaving rows alone that are the same."""
        rows = [
            (place, message.id, dump_stored(message)) for place, message in enumerate(chat.messages)
        ]

        def write(connection: sqlite3.Connection) -> None:
            cursor = connection.cursor()
            cursor.execute(
                "INSERT INTO chats VALUES (?, ?)"
                " ON CONFLICT (chat_id) DO UPDATE SET owner = excluded.owner",
                (chat_id, chat.owner),
            )
            old = [message for (message,) in cursor.execute(_READ, (chat_id,))]
            same = 0
            while same < min(len(old), len(rows)) and old[same] == rows[same][2]:
                same += 1
            first = (
                "SELECT COALESCE(MAX(place), -1) + 1 FROM"
                " (SELECT place FROM messages WHERE chat_id = ? ORDER BY place LIMIT ?)"
            )
            next_place: int = cursor.execute(first, (chat_id, same)).fetchone()[0]
            cursor.execute(
                "DELETE FROM messages WHERE chat_id = ? AND place >= ?", (chat_id, next_place)
            )
            cursor.executemany(
                _INSERT,
                [
                    (chat_id, next_place + at, message_id, message)
                    for at, (_, message_id, message) in enumerate(rows[same:])
                ],
            )

        await self._run(write)

    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        """Place one message."""
        dumped = dump_stored(message)

        def write(connection: sqlite3.Connection) -> None:
            cursor = connection.cursor()
            cursor.execute("INSERT OR IGNORE INTO chats VALUES (?, NULL)", (chat_id,))
            cursor.execute(
                "UPDATE messages SET message = ? WHERE chat_id = ? AND id = ?",
                (dumped, chat_id, message.id),
            )
            if cursor.rowcount:
                return
            found = cursor.execute(
                "SELECT place FROM messages WHERE chat_id = ? AND id = ?", (chat_id, after_id)
            ).fetchone()
            if found is None:
                found = cursor.execute(
                    "SELECT COALESCE(MAX(place), -1) FROM messages WHERE chat_id = ?", (chat_id,)
                ).fetchone()
            later = cursor.execute(
                "SELECT place FROM messages WHERE chat_id = ? AND place > ? ORDER BY place DESC",
                (chat_id, found[0]),
            ).fetchall()
            cursor.executemany(
                "UPDATE messages SET place = place + 1 WHERE chat_id = ? AND place = ?",
                [(chat_id, place) for (place,) in later],
            )
            cursor.execute(_INSERT, (chat_id, found[0] + 1, message.id, dumped))

        await self._run(write)

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._connection
        if connection is None:
            raise TransportClosed(f"unable to use the chats in {self._path!r}; it is not open")

        def transaction() -> Result:
            with connection:  # commits, or rolls back on an error
                connection.execute("BEGIN IMMEDIATE")
                return work(connection)

        return await to_thread.run_sync(transaction, limiter=self._one_at_a_time)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,  # one at a time, but not always the same thread
        )
        with ExitStack() as opening:  # a file that is refused does not stay open
            opening.enter_context(closing(connection))
            _write_ahead(connection, self._busy_timeout_s)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            opening.pop_all()
        return connection


def _write_ahead(connection: sqlite3.Connection, within_s: float) -> None:
    """Switch to write-ahead logging; of several processes that open the file, one does it.

    SQLite does not wait its turn for this, as it does for other statements. Runs in a thread.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
