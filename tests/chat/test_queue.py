from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport.chat import Chat, RequestOptions
from chat_transport.chat._board import Board
from chat_transport.chat._notices import Notices
from chat_transport.chat._queue import SendQueue
from chat_transport.messages import UIMessage

ONE, TWO = UIMessage.user("one", id="1"), UIMessage.user("two", id="2")
OPTIONS = RequestOptions(headers={"h": "1"})


def queue(*messages: UIMessage) -> SendQueue:
    notices = Notices()
    return SendQueue(Board(messages, notices), notices)


def test_first_in_first_out_with_their_options():
    waiting = queue()
    assert not waiting.must_wait(is_busy=False)
    waiting.add(ONE, OPTIONS)
    waiting.add(TWO, RequestOptions())
    assert waiting.must_wait(is_busy=False)
    assert waiting.take_message(skips_waiting=False) == (ONE, OPTIONS)
    assert waiting.waiting == (TWO,)


def test_one_can_be_moved_removed_or_all_forgotten():
    waiting = queue()
    waiting.add(ONE, RequestOptions())
    waiting.add(TWO, OPTIONS)
    assert waiting.move_to_front("2") == OPTIONS
    assert waiting.move_to_front("3") is None
    assert waiting.waiting == (TWO, ONE)
    waiting.remove("2")
    waiting.remove("3")
    assert waiting.waiting == (ONE,)
    waiting.clear()
    assert waiting.take_message(skips_waiting=False) is None


def test_nothing_is_taken_while_the_assistant_waits_for_the_user():
    asking = UIMessage.model_validate(
        {
            "id": "a",
            "role": "assistant",
            "parts": [{"type": "tool-f", "toolCallId": "c", "state": "input-available"}],
        }
    )
    waiting = queue(asking)
    waiting.add(ONE, RequestOptions())
    assert waiting.take_message(skips_waiting=False) is None
    assert waiting.take_message(skips_waiting=True) == (ONE, RequestOptions())


@pytest.mark.anyio
async def test_messages_sent_meanwhile_follow_one_by_one(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    async with Chat(transport, when_busy="queue") as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "one")
        with anyio.fail_after(5):
            log = await transport.next_log()
            await chat.send("two", options=OPTIONS)
            assert [message.text for message in chat.queued] == ["two"]
            chat.remove_queued(chat.queued[0].id)
            await chat.send("three", options=OPTIONS)
            say_chunks(log, *text_reply("1", "m1"))
            log.close()
            second = await transport.next_log(1)
            assert (chat.queued, transport.requests[1].headers) == ((), {"h": "1"})
            say_chunks(second, *text_reply("2", "m2"))
            second.close()
    assert [message.text for message in chat.messages] == ["one", "1", "three", "2"]


@pytest.mark.anyio
async def test_an_edit_stops_the_reply_and_forgets_the_queue(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    async with Chat(transport, when_busy="queue") as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "one")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, *text_reply("1", "m1")[:4])
            await chat.send("two")
            tasks.start_soon(lambda: chat.send("uno", message_id=chat.messages[0].id))
            second = await transport.next_log(1)
            assert (chat.queued, transport.left) == ((), [0])
            say_chunks(second, *text_reply("2", "m2"))
            second.close()
    assert [message.text for message in chat.messages] == ["uno", "2"]
