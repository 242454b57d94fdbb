"""An agent in a process of its own, so that a test can kill it: `agent.py HOST:PORT KEY CHANNEL`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import anyio

from chat_transport.agent.run import Run
from chat_transport.chunks import (
    Finish,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.messages import DynamicToolPart, ToolPart
from chat_transport.transports.ably import AblyAgent, AblyConnection


async def reply(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Answer by the last thing the user said."""
    last = run.messages[-1]
    calls = [part for part in last.parts if isinstance(part, (ToolPart, DynamicToolPart))]
    denied = next((call for call in calls if call.state == "approval-responded"), None)
    picked = next((call for call in calls if call.state == "output-available"), None)
    if denied is not None and denied.approval is not None:
        assert denied.approval.approved is False
        yield ToolOutputDenied(tool_call_id=denied.tool_call_id)
        words = say("not sent:", denied.approval.reason or "no reason")
    elif picked is not None:
        words = say("you picked", str(picked.output))
    elif last.text == "reason":
        words = reason()
    elif last.text in {"email", "pick"}:
        words = call(last.text)
    elif last.text.startswith("slow"):
        words = slow(last.text)
    elif last.text == "wait":
        words = wait(run)
    else:
        words = say("you said", last.text)
    async for chunk in words:
        yield chunk


async def say(*words: str) -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield TextStart(id="t1")
    for word in words:
        yield TextDelta(id="t1", delta=word if word is words[0] else f" {word}")
    yield TextEnd(id="t1")
    yield FinishStep()
    yield Finish(finish_reason="stop")


async def reason() -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield ReasoningStart(id="r1")
    yield ReasoningDelta(id="r1", delta="hmm ")
    yield ReasoningDelta(id="r1", delta="yes")
    yield ReasoningEnd(id="r1")
    yield TextStart(id="t1")
    yield TextDelta(id="t1", delta="because")
    yield TextEnd(id="t1")
    yield FinishStep()
    yield Finish(finish_reason="stop")


async def call(what: str) -> AsyncIterator[UIMessageChunk]:
    name = "send_email" if what == "email" else "pick_colour"
    yield StartStep()
    yield ToolInputStart(tool_call_id="c1", tool_name=name)
    yield ToolInputDelta(tool_call_id="c1", input_text_delta='{"to":"ada"}')
    yield ToolInputAvailable(tool_call_id="c1", tool_name=name, input={"to": "ada"})
    if what == "email":
        yield ToolApprovalRequest(approval_id="ap-1", tool_call_id="c1")
    yield FinishStep()
    yield Finish(finish_reason="tool-calls")


async def slow(name: str) -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield TextStart(id="t1")
    for index in range(1500):
        yield TextDelta(id="t1", delta=f"{name}{index} ")
        await anyio.sleep(0.02)
    yield TextEnd(id="t1")
    yield FinishStep()


async def wait(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield TextStart(id="t1")
    yield TextDelta(id="t1", delta="begun")
    async for message in run.steering():
        yield TextDelta(id="t1", delta=f", heard {message.text}")
        break
    yield TextEnd(id="t1")
    yield FinishStep()
    yield Finish(finish_reason="stop")


async def main(address: str, key: str, channel: str) -> None:
    connection = AblyConnection(key=key, client_id="py-agent", endpoint=address, tls=False)
    async with AblyAgent(reply, connection, channels=[channel]):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
