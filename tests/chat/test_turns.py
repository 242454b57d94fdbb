from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport._chunk_log import ChunkLog
from chat_transport.chat import Chat
from chat_transport.messages import TextPart, UIMessage
from chat_transport.predicates import is_complete_with_tool_calls

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


TOOL = {"type": "tool-rm", "toolCallId": "c", "input": {}}


def asking(state: str, **fields: Any) -> UIMessage:
    return UIMessage.model_validate(
        {"id": "a", "role": "assistant", "parts": [{**TOOL, "state": state, **fields}]}
    )


async def test_an_answered_approval_is_sent_before_what_waits_in_the_queue(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    asked = asking("approval-requested", approval={"id": "ap"})
    async with Chat(transport, messages=[asked], when_busy="queue") as chat:
        async with anyio.create_task_group() as tasks:
            await chat.send("next")
            assert transport.requests == []
            await chat.add_tool_approval_response("ap", approved=True)
            tasks.start_soon(chat.send)
            with anyio.fail_after(5):
                first = await transport.next_log()
                assert transport.requests[0].message_id == "a"
                say_chunks(
                    first,
                    {"type": "start", "messageId": "a"},
                    {"type": "tool-output-available", "toolCallId": "c", "output": 1},
                    {"type": "finish"},
                )
                first.close()
                second = await transport.next_log(1)
                say_chunks(second, *text_reply("done"))
                second.close()
    assert [message.text for message in chat.messages] == ["", "next", "done"]


async def test_the_next_message_takes_an_answered_approval_along(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    asked = asking("approval-requested", approval={"id": "ap"})
    async with Chat(transport, messages=[asked], when_busy="queue") as chat:
        async with anyio.create_task_group() as tasks:
            await chat.add_tool_approval_response("ap", approved=False)
            tasks.start_soon(chat.send, "next")
            with anyio.fail_after(5):
                first = await transport.next_log()
                assert [message.text for message in chat.queued] == ["next"]
                say_chunks(
                    first,
                    {"type": "start", "messageId": "a"},
                    {"type": "tool-output-denied", "toolCallId": "c"},
                    {"type": "finish"},
                )
                first.close()
                second = await transport.next_log(1)
                second.close()
    assert transport.requests[1].messages[-1].text == "next"


async def test_an_approval_that_did_not_get_through_is_sent_again(fake_transport: Any):
    transport = fake_transport()
    asked = asking("approval-requested", approval={"id": "ap"})
    later = UIMessage.user("later", id="u")
    async with Chat(transport, messages=[asked, later]) as chat:
        await chat.add_tool_approval_response("ap", approved=True)
        transport.error = errors.ConnectFailed("no network")
        await chat.send()
        assert chat.status == "error"
        await chat.send()
    assert [request.message_id for request in transport.requests] == ["a", "a"]


async def test_a_stop_drops_what_was_about_to_be_sent_by_itself(fake_transport: Any):
    transport = fake_transport()
    async with Chat(
        transport,
        messages=[asking("input-available")],
        send_automatically_when=is_complete_with_tool_calls,
    ) as chat:
        await chat.add_tool_output("c", 1)
        assert chat.status == "submitted"
        with anyio.fail_after(5):
            await chat.stop()
            async for state in chat.updates():
                if state.status == "ready":
                    break
    assert transport.requests == []


async def test_a_queued_message_goes_first_after_a_stop(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    async with Chat(transport, when_busy="queue") as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "one")
        with anyio.fail_after(5):
            await transport.next_log()
            await chat.send("two")
            await chat.send("three")
            await chat.send_queued_now("nobody")
            tasks.start_soon(chat.send_queued_now, chat.queued[1].id)
            for number in (1, 2):
                log = await transport.next_log(number)
                log.close()
    assert [message.text for message in chat.messages] == ["one", "three", "two"]


async def test_after_a_resumed_reply_the_queue_goes_on(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(resumes=True)
    transport.active = ChunkLog()
    async with Chat(transport, when_busy="queue") as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.resume_stream)
        await anyio.wait_all_tasks_blocked()
        await chat.send("next")
        say_chunks(transport.active, *text_reply("resumed", "m1"))
        transport.active.close()
        with anyio.fail_after(5):
            log = await transport.next_log()
        log.close()
    assert [message.text for message in chat.messages] == ["resumed", "next"]
