"""One call of a tool: from its input to the chunks of its output.

Rule: whatever a tool does ends in exactly one final output chunk, unless the run is stopped; then
the runtime closes the call.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..chunks import ToolOutputAvailable, ToolOutputError, UIMessageChunk
from ._closing import closing_stream
from ._tool_schema import explain_invalid
from .tools import Tool, ToolContext, ToolError, is_streaming

__all__ = ["ErrorText", "is_async", "mask_tool_error", "needs_approval", "run_call"]

JSON: TypeAlias = Any  # any JSON value
ErrorText: TypeAlias = Callable[[Exception], str]
_log = logging.getLogger("chat_transport.agent")


def mask_tool_error(error: Exception) -> str:
    """Say what a tool meant to be said, and of any other exception no more than its kind."""
    return (
        str(error) if isinstance(error, ToolError) else f"the tool failed: {type(error).__name__}"
    )


async def needs_approval(tool: Tool, tool_input: JSON, context: ToolContext) -> bool:
    """Whether a person must allow this call. An input that does not fit needs none: it fails."""
    if tool.approval == "never":
        return False
    try:
        tool.arguments(tool_input, context)
    except ValidationError:
        return False
    if tool.approval == "always":
        return True
    answer = tool.approval(tool_input if isinstance(tool_input, dict) else {}, context)
    return bool(await answer) if inspect.isawaitable(answer) else bool(answer)


async def run_call(
    tool: Tool,
    tool_input: JSON,
    context: ToolContext,
    *,
    say: Callable[[UIMessageChunk], None],
    error_text: ErrorText,
) -> None:
    """Run the call and `say` its outputs. Raises nothing but cancellation."""
    call_id = context.tool_call_id
    try:
        arguments = tool.arguments(tool_input, context)
    except ValidationError as error:
        say(ToolOutputError(tool_call_id=call_id, error_text=explain_invalid(error)))
        return
    scope = anyio.CancelScope()
    try:
        with anyio.fail_after(tool.timeout_s) as scope:
            output = await _output(tool, arguments, context, say)
    except TimeoutError as error:
        if scope.cancelled_caught:
            text = f"the tool took longer than {tool.timeout_s:g} s"
        else:
            text = error_text(error)
    except Exception as error:  # noqa: BLE001  # the application's tool: the model is told
        if not isinstance(error, ToolError):
            _log.exception("tool %r failed", tool.name)
        text = error_text(error)
    else:
        say(ToolOutputAvailable(tool_call_id=call_id, output=output))
        return
    say(ToolOutputError(tool_call_id=call_id, error_text=text))


async def _output(
    tool: Tool,
    arguments: dict[str, Any],
    context: ToolContext,
    say: Callable[[UIMessageChunk], None],
) -> JSON:
    assert tool.function is not None
    if is_async(tool.function):
        result = tool.function(**arguments)
    else:
        # In a tuple: trio refuses a thread that gives an awaitable (trio 0.27, to_thread_run_sync).
        (result,) = await anyio.to_thread.run_sync(
            lambda: (tool(**arguments),), abandon_on_cancel=True
        )
    if inspect.isawaitable(result):
        result = await result
    if not is_streaming(result):
        return _as_json(result, tool)
    output: JSON = None
    async with closing_stream(result) as values:
        async for value in values:
            output = _as_json(value, tool)
            say(
                ToolOutputAvailable(
                    tool_call_id=context.tool_call_id, output=output, preliminary=True
                )
            )
    return output


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await or to iterate, at once."""
    return any(
        inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
        for call in (function, type(function).__call__)
    )


def _as_json(value: object, tool: Tool) -> JSON:
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise TypeError(
            f"the output of tool {tool.name!r} cannot be put in JSON; it is a "
            f"{type(value).__name__}" + (": await it" if inspect.isawaitable(value) else "")
        ) from error
