from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport.chat import Chat
from chat_transport.chunks import ToolInputAvailable
from chat_transport.predicates import is_complete_with_tool_calls

pytestmark = pytest.mark.anyio

CALL = {"type": "tool-input-available", "toolCallId": "c", "toolName": "f", "input": {}}
DELTA = {"type": "data-note", "data": 1}


async def test_an_answer_from_the_callback_is_sent_by_itself(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()

    async def answer(call: ToolInputAvailable) -> None:
        await chat.add_tool_output(call.tool_call_id, 42)

    async with (
        Chat(
            transport, on_tool_call=answer, send_automatically_when=is_complete_with_tool_calls
        ) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, {"type": "start", "messageId": "m"}, {"type": "start-step"}, CALL)
            log.close()
            second = await transport.next_log(1)
            say_chunks(second, *text_reply("done"))
            second.close()
    assert transport.requests[1].messages[-1].parts[1].output == 42
    assert transport.requests[1].message_id == "m"
    assert chat.messages[-1].text == "done"


async def test_a_plain_function_may_answer_too_and_the_providers_tools_are_not_ours(
    fake_transport: Any, say_chunks: Any
):
    transport = fake_transport()
    asked: list[str] = []
    async with (
        Chat(transport, on_tool_call=lambda call: asked.append(call.tool_call_id)) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
        say_chunks(log, CALL, {**CALL, "toolCallId": "d", "providerExecuted": True})
        log.close()
    assert asked == ["c"]


async def test_a_stop_waits_for_the_callback_but_not_for_its_own(
    fake_transport: Any, say_chunks: Any
):
    transport = fake_transport()
    done: list[str] = []

    async def stop(_: ToolInputAvailable) -> None:
        await chat.stop()
        done.append("stopped")

    async with Chat(transport, on_tool_call=stop) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, CALL)
            async for state in chat.updates():
                if state.status == "ready" and transport.left:
                    break
            await chat.stop()
        assert done == ["stopped"]


async def test_a_failure_after_the_reply_was_left_is_still_told(
    fake_transport: Any, say_chunks: Any
):
    transport = fake_transport()
    begun, released = anyio.Event(), anyio.Event()
    failed = ValueError("too late")
    told: list[Exception] = []

    async def fail(_: ToolInputAvailable) -> None:
        begun.set()
        await released.wait()
        raise failed

    async with (
        Chat(transport, on_tool_call=fail, on_error=told.append) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, CALL)
            await begun.wait()
            tasks.start_soon(chat.stop)
            async for state in chat.updates():
                if state.status == "ready":
                    break
            released.set()
    assert told == [failed]


async def test_the_next_chunk_waits_for_the_callback(fake_transport: Any, say_chunks: Any):
    transport = fake_transport()
    released = anyio.Event()
    order: list[str] = []

    async def wait(_: ToolInputAvailable) -> None:
        await released.wait()
        order.append("callback")

    async with (
        Chat(transport, on_tool_call=wait, on_data=lambda _: order.append("data")) as chat,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(chat.send, "q")
        with anyio.fail_after(5):
            log = await transport.next_log()
            say_chunks(log, CALL, DELTA)
            log.close()
            await anyio.wait_all_tasks_blocked()
            released.set()
    assert order == ["callback", "data"]
