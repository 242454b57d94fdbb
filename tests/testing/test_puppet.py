"""A handler in the hands of a check."""

from __future__ import annotations

import anyio
import pytest

from chat_transport.agent.run import RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import TextEnd, TextStart
from chat_transport.messages import UIMessage
from chat_transport.testing.puppet import Puppet

pytestmark = pytest.mark.anyio
REQUEST = RunRequest(chat_id="c", messages=[UIMessage.user("hi", id="u")])


async def test_it_says_what_it_is_told_when_it_is_told() -> None:
    puppet = Puppet()
    with anyio.fail_after(5):
        async with Agent(puppet.handler, on_end=puppet.on_end) as agent:
            run = agent.start(REQUEST)
            line = await puppet.line()
            assert line.run.run_id == run.run.run_id
            line.say(TextStart(id="t"))
            await anyio.wait_all_tasks_blocked()
            assert run.log.since(1) == [TextStart(id="t")]
            line.finish(TextEnd(id="t"))
            assert (await puppet.end(run.run.run_id)).reason == "complete"
    assert line.closed.is_set()


async def test_it_fails_after_what_it_had_to_say() -> None:
    puppet = Puppet()
    with anyio.fail_after(5):
        async with Agent(puppet.handler, on_end=puppet.on_end) as agent:
            run = agent.start(REQUEST)
            line = await puppet.line()
            line.say(TextStart(id="t"))
            line.fail(ValueError("x"))
            end = await puppet.end(run.run.run_id)
    assert isinstance(end.error, ValueError)
    assert len(end.response_message.parts) == 1
