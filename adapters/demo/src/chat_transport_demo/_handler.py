"""A handler that runs the demo's tools around any model.

Rule: small on purpose; the agent's tool loop is the real one. A call that needs approval runs only
if this conversation holds a person's yes for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

from chat_transport.agent.run import Handler, Run
from chat_transport.chunks import (
    Error,
    Finish,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.messages import StepStartPart, ToolPart, UIMessage
from chat_transport.model import ModelAdapter

from ._adapter import DemoModel
from ._tools import DemoTool, demo_tools

__all__ = ["MOST_STEPS", "demo_handler"]

JSON: TypeAlias = Any  # any JSON value

MOST_STEPS = 8
"""Model calls in one run."""


def demo_handler(
    model: ModelAdapter | None = None, tools: Sequence[DemoTool] | None = None
) -> Handler:
    """Make a handler of a model and tools.

    Args:
        model: Who answers; None for a `DemoModel` at reading pace.
        tools: None for `demo_tools()`.
    """
    loop = _Loop(model or DemoModel(), demo_tools() if tools is None else tools)
    return loop.run


class _Loop:
    def __init__(self, model: ModelAdapter, tools: Sequence[DemoTool]) -> None:
        self._model = model
        self._tools = {tool.spec.name: tool for tool in tools}

    async def run(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        messages = list(run.messages)
        if messages and messages[-1].role == "assistant":
            parts = list(messages[-1].parts)
            for index, part in enumerate(parts):
                if isinstance(part, ToolPart) and part.state == "approval-responded":
                    parts[index], outcome = await self._settle(part)
                    yield outcome
            messages[-1] = messages[-1].model_copy(update={"parts": parts})
        specs = [tool.spec for tool in self._tools.values()]
        for _ in range(MOST_STEPS):
            calls: list[ToolInputAvailable] = []
            finish: Finish | None = None
            async with aclosing(self._model.stream(messages, tools=specs)) as chunks:  # type: ignore[type-var]  # a ModelAdapter gives a generator
                async for chunk in chunks:
                    if isinstance(chunk, Finish):
                        finish = chunk
                        continue
                    yield chunk
                    if isinstance(chunk, Error):
                        return
                    if isinstance(chunk, ToolInputAvailable) and chunk.tool_name in self._tools:
                        calls.append(chunk)
            waits = False
            done: list[ToolPart] = []
            for call in calls:
                if self._tools[call.tool_name].needs_approval:
                    waits = True
                    yield ToolApprovalRequest(
                        approval_id=f"approval-{call.tool_call_id}", tool_call_id=call.tool_call_id
                    )
                    continue
                part, outcome = await self._run_tool(_asked(call))
                done.append(part)
                yield outcome
            if waits or not done:
                if finish is not None:
                    yield finish
                return
            step = UIMessage(
                id=run.response_message_id, role="assistant", parts=[StepStartPart(), *done]
            )
            messages.append(step)
        yield Error(error_text=f"the model was called {MOST_STEPS} times and did not finish")

    async def _settle(self, part: ToolPart) -> tuple[ToolPart, UIMessageChunk]:
        if part.approval is not None and part.approval.approved:
            return await self._run_tool(part)
        denied = part.model_copy(update={"state": "output-denied"})
        return denied, ToolOutputDenied(tool_call_id=part.tool_call_id)

    async def _run_tool(self, part: ToolPart) -> tuple[ToolPart, UIMessageChunk]:
        call_id = part.tool_call_id
        tool = self._tools.get(part.tool_name)
        if tool is None:
            text = f"there is no tool {part.tool_name!r}"
        else:
            try:
                output = await tool.run(**part.input)
            except TypeError as error:  # the model's input does not fit the function
                text = str(error)
            else:
                update: dict[str, JSON] = {"state": "output-available", "output": output}
                return part.model_copy(update=update), ToolOutputAvailable(
                    tool_call_id=call_id, output=output
                )
        failed = part.model_copy(update={"state": "output-error", "error_text": text})
        return failed, ToolOutputError(tool_call_id=call_id, error_text=text)


def _asked(call: ToolInputAvailable) -> ToolPart:
    return ToolPart(
        type=f"tool-{call.tool_name}",
        tool_call_id=call.tool_call_id,
        state="input-available",
        input=call.input,
    )
