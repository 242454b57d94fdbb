from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from chat_transport.messages import TextPart, UIMessage
from chat_transport.transports.http.chat_store import (
    ChatStore,
    MemoryChatStore,
    StoredChat,
    with_message,
)
from chat_transport.transports.http.sqlite_chat_store import SqliteChatStore

pytestmark = pytest.mark.anyio


def user(text: str, message_id: str) -> UIMessage:
    return UIMessage.user(text, id=message_id)


def reply(text: str, message_id: str) -> UIMessage:
    return UIMessage(id=message_id, role="assistant", parts=[TextPart(text=text)])


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChatStore]:
    made = MemoryChatStore() if request.param == "memory" else SqliteChatStore(tmp_path / "c.db")
    async with made as opened:
        yield opened


async def test_a_chat_that_was_never_saved_is_none(store: ChatStore):
    assert await store.load("nobody") is None


async def test_a_saved_chat_is_loaded_as_it_was(store: ChatStore):
    chat = StoredChat(messages=[user("hello é 🐙", "u1"), reply("yes", "a1")], owner="alice")
    await store.save("c", chat)
    assert await store.load("c") == chat


async def test_saving_again_replaces_and_truncates(store: ChatStore):
    await store.save("c", StoredChat(messages=[user("1", "u1"), reply("2", "a1"), user("3", "u2")]))
    shorter = StoredChat(messages=[user("1", "u1"), user("other", "u3")], owner="bob")
    await store.save("c", shorter)
    assert await store.load("c") == shorter


async def test_put_replaces_inserts_or_appends(store: ChatStore):
    await store.save("c", StoredChat(messages=[user("1", "u1"), user("2", "u2")], owner="alice"))
    await store.put("c", reply("one", "a1"), after_id="u1")
    await store.put("c", reply("two", "a2"), after_id="unknown")
    await store.put("c", reply("ONE", "a1"), after_id=None)
    loaded = await store.load("c")
    assert loaded is not None
    assert [message.id for message in loaded.messages] == ["u1", "a1", "u2", "a2"]
    assert loaded.messages[1].text == "ONE"
    assert loaded.owner == "alice"


async def test_put_into_a_new_chat_begins_it(store: ChatStore):
    await store.put("c", reply("hi", "a1"), after_id=None)
    assert await store.load("c") == StoredChat(messages=[reply("hi", "a1")])


async def test_puts_at_the_same_time_all_land(store: ChatStore):
    await store.save("c", StoredChat(messages=[user("1", "u1")]))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(20):

                async def put(number: int = number) -> None:
                    await store.put("c", reply(str(number), f"a{number}"), after_id="u1")

                tasks.start_soon(put)
    loaded = await store.load("c")
    assert loaded is not None
    assert {m.id for m in loaded.messages} == {"u1", *(f"a{n}" for n in range(20))}


async def test_memory_store_drops_the_chat_not_written_for_longest():
    store = MemoryChatStore(keep_chats=2)
    for name in ("a", "b", "a", "c"):
        await store.save(name, StoredChat(messages=[user(name, "u")]))
    assert await store.load("b") is None
    assert await store.load("a") is not None


def test_with_message_leaves_its_argument_alone():
    messages = [user("1", "u1")]
    assert len(with_message(messages, reply("2", "a1"), None)) == 2
    assert len(messages) == 1
