from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport._chunk_log import ChunkLog
from chat_transport.chat import Chat
from chat_transport.messages import TextPart, UIMessage
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


async def test_a_reply_without_terminal_chunk_is_reported_as_incomplete(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    finishes = []
    async with (
        Chat(transport, on_finish=finishes.append) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            log = await transport.next_log()
        say_chunks(log, *text_reply("hi")[:4])
        log.close()
        await until(chat, lambda: chat.status == "ready")
    assert finishes[0].is_incomplete


async def test_stop_asks_the_agent_and_reads_its_closing_words(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(stops=True)
    finishes = []
    async with (
        Chat(transport, on_finish=finishes.append) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, *text_reply("hi")[:4])
            await until(chat, lambda: chat.status == "streaming")

            def end() -> None:
                say_chunks(log, {"type": "text-end", "id": "t"}, {"type": "abort"})
                log.close()

            transport.on_stop = end
            await chat.stop()
        assert chat.status == "ready"
    assert transport.stops == ["run-0"]
    assert finishes[0].is_abort
    assert chat.messages[1].parts[1] == TextPart(text="hi", state="done")


async def test_an_agent_that_does_not_stop_is_left_after_the_timeout(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(stops=True)
    async with Chat(transport, stop_timeout_s=0.01) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            await transport.next_log()
            await chat.stop()
        assert (chat.status, transport.left) == ("ready", [0])


async def test_a_stop_that_did_not_reach_the_agent_is_raised_after_leaving(fake_transport: Any):
    transport = fake_transport(stops=True)

    def refuse() -> None:
        raise errors.ConnectFailed("no network")

    transport.on_stop = refuse
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            await transport.next_log()
            with pytest.raises(errors.ConnectFailed):
                await chat.stop()
        assert (chat.status, transport.left) == ("ready", [0])


async def test_cancelling_send_leaves_the_reply(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(stops=True)
    finishes = []
    async with Chat(transport, on_finish=finishes.append) as chat:
        with anyio.move_on_after(0.02):
            await chat.send("hello")
        assert chat.status == "ready"
    assert transport.stops == []
    assert transport.left == [0]
    assert finishes[0].is_abort


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


async def test_automatic_rounds_are_bounded(fake_transport: Any, say_chunks: Any, text_reply: Any):
    transport = fake_transport()
    async with (
        Chat(transport, send_automatically_when=lambda _: True, max_automatic_rounds=2) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "go")
        with anyio.fail_after(5):
            for number in range(3):
                log = await transport.next_log(number)
                say_chunks(log, *text_reply("again"))
                log.close()
            await until(chat, lambda: chat.status == "error")
    assert len(transport.requests) == 3
    assert "2 rounds" in str(chat.error)


async def test_a_reply_stopped_by_somebody_else_is_not_continued(
    fake_transport: Any, say_chunks: Any
):
    transport = fake_transport()
    async with Chat(transport, send_automatically_when=lambda _: True) as chat:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.send, "go")
            with anyio.fail_after(5):
                log = await transport.next_log()
            say_chunks(log, {"type": "start", "messageId": "m"}, {"type": "abort"})
            log.close()
    assert len(transport.requests) == 1


async def test_a_broken_transport_ends_in_an_error_not_in_a_spinner(fake_transport: Any):
    transport = fake_transport()
    transport.error = KeyError("bug")
    async with Chat(transport) as chat:
        await chat.send("hello")
        assert (chat.status, chat.error) == ("error", transport.error)
        chat.clear_error()
        assert (chat.status, chat.error) == ("ready", None)


async def test_resume_after_a_disconnect_keeps_open_blocks(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(resumes=True, replays_on_resume=False)
    async with Chat(transport) as chat:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.send, "q")
            with anyio.fail_after(5):
                log = await transport.next_log()
            say_chunks(log, *text_reply("Hel")[:4])
            log.close(errors.StreamInterrupted("cut", resumable=True))
        assert chat.status == "error"
        transport.active = ChunkLog()
        say_chunks(transport.active, *text_reply("lo")[3:])
        transport.active.close()
        with anyio.fail_after(5):
            assert await chat.resume_if_disconnected()
            assert not await chat.resume_if_disconnected()
    assert texts(chat) == ["user: q", "assistant: Hello"]


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
    async with Chat(transport) as chat:
        with anyio.move_on_after(0.02):
            await chat.send("x", metadata={"k": 1})
    assert transport.requests[0].messages[0].metadata == {"k": 1}
