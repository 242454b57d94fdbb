from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport._chunk_log import ChunkLog
from chat_transport.chat import Chat

pytestmark = pytest.mark.anyio


def texts(chat: Chat) -> list[str]:
    return [f"{message.role}: {message.text}" for message in chat.messages]


async def until(chat: Chat, is_true: Any) -> None:
    with anyio.fail_after(5):
        async for _ in chat.updates():
            if is_true():
                return


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


async def test_cancelling_send_leaves_the_reply(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(stops=True)
    finishes = []
    async with Chat(transport, on_finish=finishes.append) as chat:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(chat.send, "hello")
                await transport.next_log()
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        assert chat.status == "ready"
    assert transport.stops == []
    assert transport.left == [0]
    assert finishes[0].is_abort


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


async def test_cancelling_a_resume_leaves_the_reply(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(resumes=True)
    transport.active = ChunkLog()
    say_chunks(transport.active, *text_reply("hi")[:4])
    finishes: list[Any] = []
    async with Chat(transport, on_finish=finishes.append) as chat:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.resume_stream)
            await until(chat, lambda: texts(chat) == ["assistant: hi"])
            tasks.cancel_scope.cancel()
        assert (chat.status, finishes[0].is_abort) == ("ready", True)


async def test_resuming_when_disconnected_waits_for_the_reply_under_way(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(resumes=True)
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
            transport.active = ChunkLog()
            say_chunks(transport.active, *text_reply("whole"))
            transport.active.close()
            tasks.start_soon(chat.resume_if_disconnected)
            await anyio.wait_all_tasks_blocked()
            log.close(errors.StreamInterrupted("cut", resumable=True))
    assert texts(chat) == ["user: q", "assistant: whole"]


async def test_a_reply_that_ended_well_is_not_resumed(fake_transport: Any):
    transport = fake_transport(resumes=True)
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
            tasks.start_soon(chat.resume_if_disconnected)
            await anyio.wait_all_tasks_blocked()
            log.close()
    assert len(transport.requests) == 1
