"""Requirements: where chats are kept."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from ..messages import TextPart, UIMessage
from ..transports.http.chat_store import ChatStore, StoredChat
from ._stores import CHAT_STORE, Open, new_name, requires
from .harness import expect, expect_equal

__all__: list[str] = []

RICH = UIMessage.model_validate(
    {
        "id": "a1",
        "role": "assistant",
        "metadata": {"model": "m", "cost": 0.25, "none": None},
        "parts": [
            {"type": "step-start"},
            {"type": "reasoning", "text": "hm", "state": "done", "providerMetadata": {"p": {}}},
            {"type": "text", "text": 'é 🐙 \u2028 \u0000 \\ " \ud83d', "state": "done"},
            {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="},
            {"type": "data-chart", "id": "c", "data": [1, 2.5, None, {"a": "b"}]},
            {
                "type": "tool-rm",
                "toolCallId": "c1",
                "state": "approval-requested",
                "input": {"path": "/"},
                "approval": {"id": "ap1", "requestReason": "danger"},
            },
        ],
    }
)
"""Holds what stores trip over: NUL, half a surrogate pair, null, fractions."""


def _said(text: str, message_id: str) -> UIMessage:
    return UIMessage.user(text, id=message_id)


def _reply(text: str, message_id: str) -> UIMessage:
    return UIMessage(id=message_id, role="assistant", parts=[TextPart(text=text)])


async def _loaded(store: ChatStore, chat_id: str) -> StoredChat:
    chat = await store.load(chat_id)
    expect(chat is not None, f"chat {chat_id!r} is not there")
    assert chat is not None
    return chat


def _ids(messages: Sequence[UIMessage]) -> list[str]:
    return [message.id for message in messages]


@requires(CHAT_STORE, "store-unknown", "A chat that was never saved is None.")
async def _store_unknown(open_store: Open[ChatStore]) -> None:
    async with open_store() as store:
        expect(await store.load(new_name("chat")) is None, "an unknown chat is there")


@requires(CHAT_STORE, "store-round-trip", "A chat is loaded as it was saved, to the last byte.")
async def _store_round_trip(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    chat = StoredChat(messages=[_said("hello", "u1"), RICH], owner="ann é")
    async with open_store() as store:
        await store.save(name, chat)
        found = await _loaded(store, name)
    wire = [message.to_wire() for message in found.messages]
    expect_equal(wire, [message.to_wire() for message in chat.messages], "the messages")
    expect_equal(found.owner, chat.owner, "the owner")


@requires(CHAT_STORE, "store-empty", "A chat without messages and owner is a chat.")
async def _store_empty(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    async with open_store() as store:
        await store.save(name, StoredChat())
        found = await _loaded(store, name)
    expect_equal((list(found.messages), found.owner), ([], None), "the empty chat")


@requires(CHAT_STORE, "store-save-replaces", "Saving replaces the chat as a whole.")
async def _store_save_replaces(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    first = [_said("1", "u1"), _reply("2", "a1"), _said("3", "u2"), _reply("4", "a2")]
    async with open_store() as store:
        await store.save(name, StoredChat(messages=first, owner="ann"))
        for kept in (first[:1], [*first[:1], _reply("2b", "a1b")], [first[3], first[0]]):
            await store.save(name, StoredChat(messages=kept, owner="bob"))
            found = await _loaded(store, name)
            expect_equal(list(found.messages), kept, "the messages")
        expect_equal(found.owner, "bob", "the owner")


@requires(CHAT_STORE, "store-chats-apart", "Chats whose ids look alike are kept apart.")
async def _store_chats_apart(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    ids = [f"{name}{end}" for end in ("", " ", "A", "a", "%", "_", "/", ":", "é", "e\u0301", "'")]
    async with open_store() as store:
        for number, chat_id in enumerate(ids):
            await store.save(chat_id, StoredChat(messages=[_said(chat_id, f"u{number}")]))
        for chat_id in ids:
            found = await _loaded(store, chat_id)
            expect_equal(found.messages[0].text, chat_id, "the text")


@requires(
    CHAT_STORE, "put-places", "Put replaces the message of that id, or inserts it, or appends it."
)
async def _put_places(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    asked = [_said("1", "u1"), _said("2", "u2")]
    async with open_store() as store:
        await store.save(name, StoredChat(messages=asked, owner="ann"))
        await store.put(name, _reply("one", "a1"), after_id="u1")
        await store.put(name, _reply("two", "a2"), after_id="unknown")
        await store.put(name, _reply("three", "a3"), after_id=None)
        await store.put(name, _reply("ONE", "a1"), after_id=None)
        await store.put(name, _reply("half", "a0"), after_id="u1")
        found = await _loaded(store, name)
    expect_equal(_ids(found.messages), ["u1", "a0", "a1", "u2", "a2", "a3"], "the order")
    expect_equal(found.messages[2].text, "ONE", "the replaced message")
    expect_equal(found.owner, "ann", "the owner")


@requires(CHAT_STORE, "put-begins", "Put into an unknown chat begins it, without an owner.")
async def _put_begins(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    async with open_store() as store:
        await store.put(name, RICH, after_id="u1")
        found = await _loaded(store, name)
    expect_equal([message.to_wire() for message in found.messages], [RICH.to_wire()], "the chat")
    expect_equal(found.owner, None, "the owner")


@requires(CHAT_STORE, "put-then-save", "What was put is replaced and cut like all else.")
async def _put_then_save(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    asked = [_said("1", "u1"), _said("2", "u2")]
    async with open_store() as store:
        await store.save(name, StoredChat(messages=asked))
        await store.put(name, _reply("one", "a1"), after_id="u1")
        kept = [asked[0], _reply("one", "a1"), _said("3", "u3")]
        await store.save(name, StoredChat(messages=kept))
        found = await _loaded(store, name)
    expect_equal(list(found.messages), kept, "the messages")


@requires(CHAT_STORE, "put-at-once", "Replies that end at the same time in two processes all land.")
async def _put_at_once(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    async with open_store() as one, open_store() as two:
        await one.save(name, StoredChat(messages=[_said("1", "u1"), _said("2", "u2")]))
        async with anyio.create_task_group() as tasks:
            for number in range(20):

                async def put(number: int = number) -> None:
                    store = one if number % 2 else two
                    await store.put(name, _reply(str(number), f"a{number}"), after_id="u1")

                tasks.start_soon(put)
        found = await _loaded(two, name)
    expect_equal(_ids(found.messages)[0], "u1", "the first message")
    expect_equal(_ids(found.messages)[-1], "u2", "the last message")
    expect_equal(sorted(_ids(found.messages)[1:-1]), sorted(f"a{n}" for n in range(20)), "the rest")


@requires(CHAT_STORE, "store-shared", "What one process has written, another finds at once.")
async def _store_shared(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    async with open_store() as one, open_store() as two:
        await one.save(name, StoredChat(messages=[_said("1", "u1")], owner="ann"))
        expect_equal(_ids((await _loaded(two, name)).messages), ["u1"], "the saved chat")
        await two.put(name, _reply("one", "a1"), after_id="u1")
        expect_equal(_ids((await _loaded(one, name)).messages), ["u1", "a1"], "the put message")


@requires(CHAT_STORE, "store-long", "A long chat keeps its order.")
async def _store_long(open_store: Open[ChatStore]) -> None:
    name = new_name("chat")
    messages = [_said(f"{number} " * 20, f"u{number}") for number in range(300)]
    async with open_store() as store:
        await store.save(name, StoredChat(messages=messages))
        await store.put(name, _reply("here", "a1"), after_id="u149")
        found = await _loaded(store, name)
    messages.insert(150, _reply("here", "a1"))
    expect_equal(_ids(found.messages), _ids(messages), "the order")
