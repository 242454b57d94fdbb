"""The store: channels in an SQLite file, so that history survives a restart, also a `kill -9`.

Rule: an entry is committed before it is acknowledged. SQLite's write-ahead log keeps what was
committed when the process dies; only a power cut can lose the last moments (synchronous=NORMAL).
An append is one small row; when its entry leaves the stream, the message is written as a whole.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from chat_transport.broker.frames import Action, Annotation, Message, Presence
from chat_transport.broker.log import ChannelLog, Entry, Record
from chat_transport.errors import TransportError

__all__ = ["ChannelJournal", "Store"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS floors (
  app TEXT, channel TEXT, stream TEXT NOT NULL, history TEXT NOT NULL,
  PRIMARY KEY (app, channel)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
  app TEXT, channel TEXT, serial TEXT, kind INTEGER NOT NULL, id TEXT NOT NULL, connection TEXT,
  record TEXT, items BLOB NOT NULL, kept INTEGER NOT NULL,
  PRIMARY KEY (app, channel, serial)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
  app TEXT, channel TEXT, serial TEXT, versions BLOB NOT NULL, grown INTEGER NOT NULL,
  PRIMARY KEY (app, channel, serial)) WITHOUT ROWID;
"""
ITEM_TYPES: dict[int, Any] = {
    Action.MESSAGE: list[Message],
    Action.PRESENCE: list[Presence],
    Action.ANNOTATION: list[Annotation],
}


class Store:
    """One SQLite file of one broker.

    Raises:
        TransportError: If the file cannot be opened or is something else.
    """

    def __init__(self, path: str | Path) -> None:
        with ExitStack() as opening:  # a file that is refused does not stay open
            try:
                self._sql = opening.enter_context(
                    closing(sqlite3.connect(path, isolation_level=None))
                )
                self._sql.execute("PRAGMA journal_mode=WAL")
                self._sql.execute("PRAGMA synchronous=NORMAL")
                self._sql.executescript(SCHEMA)
            except sqlite3.Error as error:
                raise TransportError(
                    f"unable to use {str(path)!r} as the broker's store; {error}"
                ) from error
            opening.pop_all()

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def mark(self, name: str, value: str) -> str:
        """Give a lasting value; the given one is kept if there was none."""
        self._sql.execute("INSERT OR IGNORE INTO marks VALUES (?, ?)", (name, value))
        row = self._sql.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def channels(self, app_id: str) -> list[str]:
        """Give the names of an app's channels."""
        rows = self._sql.execute(
            "SELECT channel FROM floors WHERE app = ?1 UNION SELECT channel FROM entries"
            " WHERE app = ?1 UNION SELECT channel FROM records WHERE app = ?1",
            (app_id,),
        )
        return [row[0] for row in rows]

    def journal(self, app_id: str, channel: str) -> ChannelJournal:
        """Give the part of one channel."""
        return ChannelJournal(self._sql, app_id, channel)

    def forget(self, app_id: str, channel: str, head: str) -> None:
        """Forget an empty channel; the file's horizon moves to its end."""
        self._sql.execute("DELETE FROM floors WHERE app = ? AND channel = ?", (app_id, channel))
        self._sql.execute(
            "INSERT INTO marks VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
            " SET value = max(value, excluded.value)",
            (f"horizon {app_id}", head),
        )

    def newest_serial(self) -> str | None:
        """Give the newest serial in the file."""
        row = self._sql.execute(
            "SELECT max(s) FROM (SELECT max(serial) s FROM entries"
            " UNION SELECT max(stream) FROM floors)"
        ).fetchone()
        return None if row is None else row[0]

    def remove_app(self, app_id: str) -> None:
        """Forget everything of an app."""
        for table in ("floors", "entries", "records"):
            self._sql.execute(f"DELETE FROM {table} WHERE app = ?", (app_id,))  # noqa: S608 - our names


class ChannelJournal:
    """What the store holds of one channel."""

    def __init__(self, sql: sqlite3.Connection, app_id: str, channel: str) -> None:
        self._sql = sql
        self._key = (app_id, channel)

    def add(self, entry: Entry, *, keep_messages: bool) -> None:
        """Keep an entry."""
        self._sql.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *self._key,
                entry.serial,
                int(entry.kind),
                entry.id,
                entry.connection_id,
                entry.record.serial if entry.record else None,
                msgspec.msgpack.encode(entry.items),
                int(keep_messages),
            ),
        )

    def trimmed(self, log: ChannelLog, entries: list[Entry], records: list[str]) -> None:
        """The log has forgotten its oldest: keep whole messages in place of entries."""
        touched: set[str] = set()
        for entry in entries:
            if entry.record is not None:
                touched.add(entry.record.serial)
            elif entry.kind == Action.MESSAGE:
                touched.update(message.serial for message in entry.items)
        self._sql.execute("BEGIN")
        for serial in touched & log.records.keys():
            record = log.records[serial]
            versions = msgspec.msgpack.encode(record.versions())
            self._sql.execute(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)",
                (*self._key, serial, versions, int(record.is_grown)),
            )
        self._sql.execute(
            "DELETE FROM entries WHERE app = ? AND channel = ? AND serial <= ?",
            (*self._key, log.floor),
        )
        if records:
            self._sql.execute(
                "DELETE FROM records WHERE app = ? AND channel = ? AND serial <= ?",
                (*self._key, records[-1]),
            )
        self._sql.execute(
            "INSERT OR REPLACE INTO floors VALUES (?, ?, ?, ?)",
            (*self._key, log.floor, log.history_floor),
        )
        self._sql.execute("COMMIT")

    def load(self, log: ChannelLog) -> None:
        """Fill an empty log with what was kept."""
        row = self._sql.execute(
            "SELECT stream, history FROM floors WHERE app = ? AND channel = ?", self._key
        ).fetchone()
        if row:
            log.floor, log.history_floor = row
        kept = self._sql.execute(
            "SELECT serial, versions, grown FROM records WHERE app = ? AND channel = ?"
            " ORDER BY serial",
            self._key,
        )
        for _, versions, grown in kept:
            states = msgspec.msgpack.decode(versions, type=list[Message])
            log.restore(Record.restored(states, is_grown=bool(grown)))
        rows = self._sql.execute(
            "SELECT serial, kind, id, connection, record, items, kept FROM entries"
            " WHERE app = ? AND channel = ? ORDER BY serial",
            self._key,
        )
        for serial, kind, name, connection, record, items, keep in rows.fetchall():
            entry = Entry(
                serial,
                Action(kind),
                msgspec.msgpack.decode(items, type=ITEM_TYPES[kind]),
                id=name,
                connection_id=connection,
                record=log.records.get(record) if record else None,
            )
            if entry.kind == Action.ANNOTATION and entry.record is not None:
                for annotation in entry.items:
                    entry.record.annotations.add(annotation)
            if record is None or entry.record is not None:
                log.replay(entry, keep_messages=bool(keep))
