"""One call: from its input to its output chunks. The loop's tests show the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_transport.agent._tool_calls import mask_tool_error, needs_approval, run_call
from chat_transport.agent.run import Run, User
from chat_transport.agent.tools import ToolContext, ToolError, tool
from chat_transport.chunks import ToolOutputAvailable, ToolOutputError, UIMessageChunk

pytestmark = pytest.mark.anyio
CONTEXT = ToolContext(
    run=Run(
        run_id="r",
        chat_id="c",
        messages=(),
        trigger="submit-message",
        message_id=None,
        response_message_id="m",
        user=User(),
        metadata={},
    ),
    tool_call_id="1",
    tool_name="t",
)


async def ran(made: Any, tool_input: Any = None) -> list[UIMessageChunk]:
    said: list[UIMessageChunk] = []
    await run_call(made, tool_input, CONTEXT, say=said.append, error_text=mask_tool_error)
    return said


async def test_callable_objects_and_functions_that_give_awaitables_are_tools_too() -> None:
    class Double:
        async def __call__(self, number: int) -> int:
            return 2 * number

    assert await ran(tool(Double()), {"number": 4}) == [
        ToolOutputAvailable(tool_call_id="1", output=8)
    ]

    async def later() -> str:
        return "later"

    assert await ran(tool(name="now")(lambda: later())) == [  # noqa: PLW0108  # not async itself
        ToolOutputAvailable(tool_call_id="1", output="later")
    ]


async def test_a_generator_that_fails_ends_in_an_error_and_is_closed() -> None:
    closed: list[bool] = []

    @tool
    async def values() -> AsyncIterator[int]:
        try:
            yield 1
            raise ToolError("broke")
        finally:
            closed.append(True)

    assert await ran(values) == [
        ToolOutputAvailable(tool_call_id="1", output=1, preliminary=True),
        ToolOutputError(tool_call_id="1", error_text="broke"),
    ]
    assert closed == [True]


async def test_only_a_tools_own_words_are_passed_on() -> None:
    assert mask_tool_error(ToolError("said")) == "said"
    assert mask_tool_error(KeyError("secret")) == "the tool failed: KeyError"


@pytest.mark.parametrize(
    ("approval", "tool_input", "needed"),
    [
        ("never", {"n": 1}, False),
        ("always", {"n": 1}, True),
        ("always", {"n": "x"}, False),
        (lambda tool_input, _context: tool_input["n"] > 1, {"n": 1}, False),
        (lambda tool_input, _context: tool_input["n"] > 1, {"n": 2}, True),
    ],
)
async def test_approval_is_asked_by_rule_and_never_for_an_input_that_fails(
    approval: Any, tool_input: Any, *, needed: bool
) -> None:
    @tool(approval=approval)
    def take(n: int) -> int:
        return n

    assert await needs_approval(take, tool_input, CONTEXT) is needed
