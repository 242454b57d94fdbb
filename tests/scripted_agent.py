"""An agent that answers by the last thing the user said; the twin of interop/ai_transport/agent.mjs.

As a program, so that a test can kill it: `scripted_agent.py HOST:PORT KEY CHANNEL`.
"""

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
    ToolOutputAvailable,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.messages import DynamicToolPart, ToolPart
from chat_transport.transports.ably import AblyAgent, AblyConnection

__all__ = ["SLOW_WORDS", "ModelOut", "say", "scripted"]

SLOW_WORDS = 1500
"""A `slow` reply takes half a minute, if nobody stops it."""


class ModelOut(Exception):  # a model's words, not ours
    """What the scripted model raises."""


async def scripted(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Go on with an answered tool call; else do what the user asked by name, or say it back."""
    asked = next((m.text for m in reversed(run.messages) if m.role == "user"), "")
    last = run.messages[-1] if run.messages else None
    calls = [p for p in last.parts if isinstance(p, (ToolPart, DynamicToolPart))] if last else []
    answered = next((p for p in calls if p.state == "approval-responded"), None)
    picked = next((p for p in calls if p.state == "output-available"), None)
    if answered is not None:
        words = _answer(answered)
    elif last is not None and last.role == "assistant" and picked is not None:
        words = say(f"you picked {picked.output}")
    elif asked == "reason":
        words = _reason()
    elif asked == "weather":
        words = _weather()
    elif asked in {"email", "pick"}:
        words = _call(asked)
    elif asked.startswith("slow"):
        words = _slow(asked)
    elif asked == "wait":
        words = _wait(run)
    elif asked == "error":
        raise ModelOut("the model is out")
    else:
        words = say(f"you said {asked}")
    async for chunk in words:
        yield chunk


async def say(text: str, *, opens: bool = True) -> AsyncIterator[UIMessageChunk]:
    """Say a text word by word; with `opens` as a step of its own, else as the rest of one."""
    if opens:
        yield StartStep()
    yield TextStart(id="t1")
    for number, word in enumerate(text.split(" ")):
        yield TextDelta(id="t1", delta=f" {word}" if number else word)
    yield TextEnd(id="t1")
    yield FinishStep()
    yield Finish(finish_reason="stop")


async def _answer(call: ToolPart | DynamicToolPart) -> AsyncIterator[UIMessageChunk]:
    assert call.approval is not None
    if call.approval.approved:
        yield ToolOutputAvailable(tool_call_id=call.tool_call_id, output={"sent": True})
        words = say("sent")
    else:
        yield ToolOutputDenied(tool_call_id=call.tool_call_id)
        words = say(f"not sent: {call.approval.reason or 'no reason'}")
    async for chunk in words:
        yield chunk


async def _reason() -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield ReasoningStart(id="r1")
    yield ReasoningDelta(id="r1", delta="hmm ")
    yield ReasoningDelta(id="r1", delta="yes")
    yield ReasoningEnd(id="r1")
    async for chunk in say("because", opens=False):
        yield chunk


async def _weather() -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield ToolInputStart(tool_call_id="w1", tool_name="weather")
    yield ToolInputDelta(tool_call_id="w1", input_text_delta='{"city":"Paris"}')
    yield ToolInputAvailable(tool_call_id="w1", tool_name="weather", input={"city": "Paris"})
    yield ToolOutputAvailable(tool_call_id="w1", output={"sky": "clear"})
    yield FinishStep()
    async for chunk in say("clear sky"):
        yield chunk


async def _call(asked: str) -> AsyncIterator[UIMessageChunk]:
    name = "send_email" if asked == "email" else "pick_colour"
    yield StartStep()
    yield ToolInputStart(tool_call_id="c1", tool_name=name)
    yield ToolInputDelta(tool_call_id="c1", input_text_delta='{"to":"ada"}')
    yield ToolInputAvailable(tool_call_id="c1", tool_name=name, input={"to": "ada"})
    if asked == "email":
        yield ToolApprovalRequest(approval_id="ap-1", tool_call_id="c1")
    yield FinishStep()
    yield Finish(finish_reason="tool-calls")


async def _slow(name: str) -> AsyncIterator[UIMessageChunk]:
    yield StartStep()
    yield TextStart(id="t1")
    for index in range(SLOW_WORDS):
        yield TextDelta(id="t1", delta=f"{name}{index} ")
        await anyio.sleep(0.02)
    yield TextEnd(id="t1")
    yield FinishStep()


async def _wait(run: Run) -> AsyncIterator[UIMessageChunk]:
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
    async with AblyAgent(scripted, connection, channels=[channel]):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
