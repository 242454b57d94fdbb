"""A tool whose calls are measured.

Rule: the tool behaves as before: awaited, in a thread, or streaming.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..agent._tool_calls import is_async
from ..agent.tools import Tool, ToolContext, is_streaming
from . import names
from ._content import json_text
from ._operation import Operation

__all__ = ["traced_tool"]

JSON: TypeAlias = Any  # any JSON value
Begin: TypeAlias = Callable[[ToolContext], Operation]
CONTEXT = "__traced_context"
"""The argument that carries the call's context to the function; never seen by it."""


@dataclass(frozen=True, kw_only=True)
class _TracedTool(Tool):
    def arguments(self, tool_input: JSON, context: ToolContext) -> dict[str, Any]:
        return {**super().arguments(tool_input, context), CONTEXT: context}


def traced_tool(tool: Tool, begin: Begin, *, capture_content: bool) -> Tool:
    """Give the tool with each call measured; one that a client runs is given back as it is."""
    if tool.function is None:
        return tool
    traced = _Traced(tool.function, begin, capture_content=capture_content)
    fields = {name: getattr(tool, name) for name in Tool.__dataclass_fields__}
    made = _TracedTool(**fields)
    return replace(made, function=traced.wait if is_async(tool.function) else traced.call)


class _Traced:
    def __init__(
        self, function: Callable[..., Any], begin: Begin, *, capture_content: bool
    ) -> None:
        self._function = function
        self._begin = begin
        self._capture_content = capture_content

    async def wait(self, *given: Any, **arguments: Any) -> Any:
        result = self.call(*given, **arguments)
        return await result if inspect.isawaitable(result) else result

    def call(self, *given: Any, **arguments: Any) -> Any:
        context: ToolContext | None = arguments.pop(CONTEXT, None)
        if context is None:  # called as if it were no tool
            return self._function(*given, **arguments)
        operation = self._begin(context)
        if self._capture_content:
            asked = {name: value for name, value in arguments.items() if value is not context}
            operation.span.set_attribute(names.TOOL_ARGUMENTS, json_text(asked))
        outcome: Any = None
        try:
            with operation.current():
                outcome = self._function(**arguments)
        except BaseException as error:
            with operation.measured():
                raise error  # noqa: TRY201  # in the block, which ends the operation with it
        if is_streaming(outcome):
            return self._stream(operation, outcome)
        if inspect.isawaitable(outcome):
            return self._await(operation, outcome)
        with operation.measured():
            self._note(operation, outcome)
        return outcome

    async def _await(self, operation: Operation, outcome: Awaitable[Any]) -> Any:
        with operation.measured(), operation.current():
            result = await outcome
            if not is_streaming(result):
                self._note(operation, result)
                return result
        return result  # a stream: the call is over, its values are the reader's

    async def _stream(self, operation: Operation, values: AsyncIterator[Any]) -> AsyncIterator[Any]:
        value: Any = None
        with operation.measured():
            async for value in operation.each(values):
                yield value
            self._note(operation, value)

    def _note(self, operation: Operation, result: Any) -> None:
        if self._capture_content:
            operation.span.set_attribute(names.TOOL_RESULT, json_text(result))
