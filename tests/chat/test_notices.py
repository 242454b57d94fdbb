from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport.chat import Chat

pytestmark = pytest.mark.anyio


async def test_updates_give_the_present_state_then_the_newest_and_end_with_the_chat(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport()
    seen = []
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            async with Chat(transport) as chat:

                async def watch() -> None:
                    async for state in chat.updates():
                        shown = (state.status, len(state.messages))
                        seen.append(shown)

                tasks.start_soon(watch)
                tasks.start_soon(chat.send, "hello")
                log = await transport.next_log()
                say_chunks(log, *text_reply("hi"))
                log.close()
                async for state in chat.updates():
                    if state.status == "ready" and len(state.messages) == 2:
                        break
                await anyio.wait_all_tasks_blocked()
    assert seen[0][0] in {"ready", "submitted"}
    assert seen[-1] == ("ready", 2)


async def test_throttled_notices_are_few_and_the_last_state_is_told(
    fake_transport: Any, say_chunks: Any
):
    transport = fake_transport()
    every, few = [], []
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            log = await transport.next_log()
        say_chunks(log, {"type": "start", "messageId": "m"}, {"type": "text-start", "id": "t"})
        await anyio.wait_all_tasks_blocked()
        chat.subscribe(lambda: every.append(chat.messages[-1].text))
        unsubscribe = chat.subscribe(lambda: few.append(chat.messages[-1].text), throttle_s=0.2)
        for number in range(10):
            say_chunks(log, {"type": "text-delta", "id": "t", "delta": str(number)})
            await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            async for state in chat.updates(throttle_s=0.05):
                if few and few[-1] == "0123456789":
                    break
                assert state.status == "streaming"
                say_chunks(log, {"type": "message-metadata", "messageMetadata": {"n": len(few)}})
        unsubscribe()
        told = len(few)
        log.close()
    assert len(every) >= 10
    assert len(few) == told < 10


async def test_a_new_status_is_told_at_once(fake_transport: Any):
    transport = fake_transport()
    seen = []
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        chat.subscribe(lambda: seen.append(chat.status), throttle_s=60)
        tasks.start_soon(chat.send, "hello")
        with anyio.fail_after(5):
            await transport.next_log()
        assert seen[-1] == "submitted"
        await chat.stop()
        assert seen[-1] == "ready"
