from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chat_transport.errors import ConnectFailed, TransportClosed
from chat_transport.messages import UIMessage
from chat_transport.transports.http.chat_store import StoredChat
from chat_transport.transports.http.sqlite_chat_store import SqliteChatStore

pytestmark = pytest.mark.anyio


async def test_a_chat_outlives_the_process_that_wrote_it(tmp_path: Path):
    chat = StoredChat(messages=[UIMessage.user("hi", id="u1")], owner="alice")
    async with SqliteChatStore(tmp_path / "chats.db") as store:
        await store.save("c", chat)
    async with SqliteChatStore(tmp_path / "chats.db") as store:
        assert await store.load("c") == chat


async def test_unchanged_messages_are_not_written_again(tmp_path: Path):
    messages = [UIMessage.user(str(number), id=f"u{number}") for number in range(50)]
    async with SqliteChatStore(tmp_path / "chats.db") as store:
        await store.save("c", StoredChat(messages=messages))
        assert store._connection is not None
        before = store._connection.total_changes
        await store.save("c", StoredChat(messages=[*messages, UIMessage.user("new", id="n")]))
        assert store._connection.total_changes - before == 2  # the owner and the new message


async def test_two_processes_share_a_file(tmp_path: Path):
    async with SqliteChatStore(tmp_path / "c.db") as one, SqliteChatStore(tmp_path / "c.db") as two:
        await one.save("c", StoredChat(messages=[UIMessage.user("hi", id="u1")]))
        await two.put("c", UIMessage.user("ho", id="u2"), after_id="u1")
        loaded = await one.load("c")
    assert loaded is not None
    assert [message.id for message in loaded.messages] == ["u1", "u2"]


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path):
    path = tmp_path / "no folder" / "c.db"
    with pytest.raises(ConnectFailed, match=r"no folder.*give a file in a folder that exists"):
        async with SqliteChatStore(path):
            pass


async def test_use_before_opening_says_so(tmp_path: Path):
    with pytest.raises(TransportClosed, match="it is not open"):
        await SqliteChatStore(tmp_path / "c.db").load("c")


async def test_a_row_that_cannot_be_read_does_not_take_the_chat_with_it(tmp_path: Path, caplog):
    async with SqliteChatStore(tmp_path / "c.db") as store:
        await store.save(
            "c", StoredChat(messages=[UIMessage.user(word, id=word) for word in ("one", "two")])
        )
        assert store._connection is not None
        store._connection.execute("UPDATE messages SET message = x'7b' WHERE id = 'one'")
        loaded = await store.load("c")
    assert loaded is not None
    assert [message.id for message in loaded.messages] == ["two"]
    assert "chat 'c': messages[0] is not as expected" in caplog.text


def test_many_may_open_a_new_file_at_once(tmp_path) -> None:
    """Several server processes start together; none of them finds the database locked."""
    import concurrent.futures
    import sqlite3

    from chat_transport.transports.http.sqlite_chat_store import _write_ahead

    def opened(_: int) -> str:
        connection = sqlite3.connect(tmp_path / "chats.sqlite", isolation_level=None)
        _write_ahead(connection, 5.0)
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        connection.close()
        return mode

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(opened, range(64))) == {"wal"}


async def test_a_file_that_is_no_store_is_refused_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **settings: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **settings))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    path = tmp_path / "text"
    path.write_text("this is no database, but long enough to be read as one" * 50)
    with pytest.raises(ConnectFailed, match="not a database"):
        async with SqliteChatStore(path):
            pass
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
