from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import anyio
import pytest
from chat_transport_demo import DemoModel, demo_handler
from chat_transport_demo._handler import MOST_STEPS

from chat_transport.agent.run import RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import (
    Error,
    Finish,
    Start,
    TextDelta,
    ToolApprovalRequest,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.messages import ToolApproval, ToolPart, UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

pytestmark = pytest.mark.anyio

Chunk = TypeVar("Chunk", bound=UIMessageChunk)
MODEL = DemoModel(word_delay_s=0)


async def run(*messages: UIMessage, model: ModelAdapter = MODEL, **options: object):
    handler = demo_handler(model, **options)  # type: ignore[arg-type]  # test data
    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            run = agent.start(RunRequest(chat_id="c", messages=messages))
            start, *chunks = [chunk async for chunk in run.log.stream()]
    assert isinstance(start, Start)
    return chunks


def of(kind: type[Chunk], chunks: list[UIMessageChunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if isinstance(chunk, kind)]


def answered(*, approved: bool) -> list[UIMessage]:
    part = ToolPart(
        type="tool-send_email",
        tool_call_id="call-1",
        state="approval-responded",
        input={"to": "Ada", "subject": "s", "body": "b"},
        approval=ToolApproval(id="approval-call-1", approved=approved),
    )
    return [
        UIMessage.user("email Ada", id="u"),
        UIMessage(id="m", role="assistant", parts=[part]),
    ]


async def test_a_tool_without_approval_runs_and_the_model_goes_on():
    chunks = await run(UIMessage.user("weather in Paris", id="u"))
    assert of(ToolOutputAvailable, chunks)[0].output["city"] == "Paris"
    assert "Paris" in "".join(chunk.delta for chunk in of(TextDelta, chunks))
    assert [chunk.finish_reason for chunk in of(Finish, chunks)] == ["stop"]


async def test_a_tool_with_approval_waits():
    chunks = await run(UIMessage.user("email Ada", id="u"))
    assert [asked.tool_call_id for asked in of(ToolApprovalRequest, chunks)] == ["call-1"]
    assert not of(ToolOutputAvailable, chunks)
    assert isinstance(chunks[-1], Finish)


async def test_an_approved_call_runs_before_the_model_goes_on():
    chunks = await run(*answered(approved=True))
    assert isinstance(chunks[0], ToolOutputAvailable)
    assert "on its way" in "".join(chunk.delta for chunk in of(TextDelta, chunks))


async def test_a_refused_call_does_not_run():
    chunks = await run(*answered(approved=False))
    assert chunks[0] == ToolOutputDenied(tool_call_id="call-1")
    assert "You refused" in "".join(chunk.delta for chunk in of(TextDelta, chunks))


async def test_an_input_that_does_not_fit_is_an_error_for_the_model():
    messages = answered(approved=True)
    part = messages[1].parts[0].model_copy(update={"input": {"nobody": 1}})
    messages[1] = messages[1].model_copy(update={"parts": [part]})
    chunks = await run(*messages)
    assert isinstance(chunks[0], ToolOutputError)
    assert "nobody" in chunks[0].error_text


async def test_an_error_ends_the_run():
    chunks = await run(UIMessage.user("error", id="u"))
    assert isinstance(chunks[-1], Error)


async def test_steps_are_bounded():
    class Restless(DemoModel):
        async def stream(
            self,
            messages: Sequence[UIMessage],
            *,
            tools: Sequence[ToolSpec | ProviderTool] = (),
            settings: ModelSettings | None = None,
        ) -> AsyncIterator[UIMessageChunk]:
            async for chunk in super().stream(messages[:1], tools=tools):
                yield chunk

    chunks = await run(UIMessage.user("weather", id="u"), model=Restless(word_delay_s=0))
    assert len(of(ToolOutputAvailable, chunks)) == MOST_STEPS
    assert isinstance(chunks[-1], Finish)
