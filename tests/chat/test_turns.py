from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport.chat import Chat
from chat_transport.messages import TextPart

pytestmark = pytest.mark.anyio


def texts(chat: Chat) -> list[str]:
    return [f"{message.role}: {message.text}" for message in chat.messages]


async def until(chat: Chat, is_true: Any) -> None:
    with anyio.fail_after(5):
        async for _ in chat.updates():
            if is_true():
                return


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
