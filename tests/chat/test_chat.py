from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport.chat import Chat
from chat_transport.messages import UIMessage
from chat_transport.transport import History

pytestmark = pytest.mark.anyio


def texts(chat: Chat) -> list[str]:
    return [f"{message.role}: {message.text}" for message in chat.messages]


async def until(chat: Chat, is_true: Any) -> None:
    with anyio.fail_after(5):
        async for _ in chat.updates():
            if is_true():
                return


async def test_a_reply_becomes_a_message(fake_transport: Any, say_chunks: Any, text_reply: Any):
    transport = fake_transport()
    finishes = []
    async with (
        Chat(transport, id="c", on_finish=finishes.append) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            log = await transport.next_log()
        assert chat.status == "submitted"
        say_chunks(log, *text_reply("hi"))
        await until(chat, lambda: chat.status == "streaming")
        log.close()
        await until(chat, lambda: chat.status == "ready")
    assert texts(chat) == ["user: hello", "assistant: hi"]
    assert transport.requests[0].chat_id == "c"
    [finish] = finishes
    assert (finish.finish_reason, finish.is_abort, finish.is_incomplete) == ("stop", False, False)


async def test_use_before_entering_names_the_remedy(fake_transport: Any):
    chat = Chat(fake_transport())
    with pytest.raises(errors.LocalProtocolError, match="enter it with `async with`"):
        await chat.send("hello")


async def test_leaving_the_chat_ends_sends_of_other_tasks(fake_transport: Any):
    transport = fake_transport()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            async with Chat(transport) as chat:
                tasks.start_soon(chat.send, "hello")
                await transport.next_log()
    assert transport.left == [0]


async def test_rejecting_a_second_message(fake_transport: Any):
    transport = fake_transport()
    async with anyio.create_task_group() as tasks, Chat(transport, when_busy="reject") as chat:
        tasks.start_soon(chat.send, "one")
        with anyio.fail_after(5):
            await transport.next_log()
        with pytest.raises(errors.LocalProtocolError, match="a reply is under way"):
            await chat.send("two")
        assert texts(chat) == ["user: one"]


async def test_interrupting_stops_the_reply_and_sends(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    async with anyio.create_task_group() as tasks, Chat(transport, when_busy="interrupt") as chat:
        tasks.start_soon(chat.send, "one")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, *text_reply("first", "m1")[:4])
            await until(chat, lambda: chat.status == "streaming")
            tasks.start_soon(chat.send, "two")
            second = await transport.next_log(1)
            assert transport.left == [0]
            say_chunks(second, *text_reply("second", "m2"))
            second.close()
            await until(chat, lambda: chat.status == "ready")
    assert texts(chat) == ["user: one", "assistant: first", "user: two", "assistant: second"]


async def test_resume_says_whether_there_was_a_run(fake_transport: Any):
    async with Chat(fake_transport(resumes=True)) as chat:
        with anyio.fail_after(5):
            assert not await chat.resume_stream()
        assert chat.status == "ready"


async def test_history_is_shown_and_older_pages_come_in_front(fake_transport: Any):
    transport = fake_transport(history=True)
    one, two = UIMessage.user("one", id="1"), UIMessage.user("two", id="2")
    transport.pages[None] = History(messages=[two], has_older=True, cursor="x")
    transport.pages["x"] = History(messages=[one])
    async with Chat(transport) as chat:
        await chat.load_older()
        assert (chat.messages, chat.has_older) == ((two,), True)
        await chat.load_older()
        assert (chat.messages, chat.has_older) == ((one, two), False)
        assert (await chat.load_older()).messages == ()


async def test_editing_what_is_not_a_user_message_is_refused(fake_transport: Any):
    assistant = UIMessage(id="a", role="assistant", parts=[])
    async with Chat(fake_transport(), messages=[assistant]) as chat:
        with pytest.raises(errors.LocalProtocolError, match="of role 'assistant'"):
            await chat.send("x", message_id="a")
        with pytest.raises(errors.LocalProtocolError, match="it is not there"):
            await chat.send("x", message_id="b")
        with pytest.raises(errors.LocalProtocolError, match="it is not there"):
            await chat.regenerate("b")


async def test_metadata_of_a_message_is_sent(fake_transport: Any, say_chunks: Any, text_reply: Any):
    transport = fake_transport()
    with anyio.fail_after(5):
        async with Chat(transport) as chat, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: chat.send("x", metadata={"k": 1}))
            await transport.next_log()
            tasks.cancel_scope.cancel()
    assert transport.requests[0].messages[0].metadata == {"k": 1}
