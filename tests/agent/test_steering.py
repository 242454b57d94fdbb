"""What is said to a run is heard once, in order, until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from chat_transport.agent.run import Run, RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.agent.steering import Steering
from chat_transport.chunks import TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.messages import UIMessage

pytestmark = pytest.mark.anyio


def said(text: str) -> UIMessage:
    return UIMessage.user(text, id=text)


async def test_messages_are_heard_in_order_and_each_once() -> None:
    steering, told = Steering(), list[str]()
    for text in "abc":
        assert steering.say(said(text), heard=lambda text=text: told.append(text))
    assert (await anext(steering)).text == "a"
    assert told == ["a"]
    assert [message.text for message in steering.take()] == ["b", "c"]
    assert told == ["a", "b", "c"]
    assert steering.take() == []
    steering.say(said("d"))
    assert (await anext(steering)).text == "d"


async def test_a_listener_waits_and_ends_with_the_run() -> None:
    steering, heard = Steering(), list[str]()

    async def listen() -> None:
        heard.extend([message.text async for message in steering])

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            steering.say(said("a"))
            await anyio.wait_all_tasks_blocked()
            steering.close()
    assert heard == ["a"]
    assert not steering.say(said("late"))


async def test_a_handler_hears_what_its_run_is_told() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        async for message in run.steering():
            yield TextDelta(id="t", delta=message.text)
            break
        yield TextEnd(id="t")

    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            active = agent.start(RunRequest(chat_id="c", messages=[said("go")]))
            assert active.steer(said("left"))
            end = await active.wait()
            assert not active.steer(said("late"))
            stopped = agent.start(RunRequest(chat_id="c", messages=[said("go")]))
            stopped.stop()
            assert not stopped.steer(said("late"))
    assert end.response_message.text == "left"
