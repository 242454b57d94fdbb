"""Handlers that ask the page for something and go on when it has answered."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chat_transport.agent.run import Run
from chat_transport.chunks import (
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.messages import ToolPart

__all__ = ["deleting", "locating"]


async def deleting(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Ask before `/` is deleted; say `done`, or `kept` if the user refused."""
    calls = _calls(run)
    if not calls:
        yield StartStep()
        yield ToolInputAvailable(tool_call_id="call-1", tool_name="delete", input={"path": "/"})
        yield ToolApprovalRequest(approval_id="ask-1", tool_call_id="call-1")
        yield FinishStep()
        return
    approval = calls[0].approval
    assert approval is not None
    if approval.approved:
        yield ToolOutputAvailable(tool_call_id="call-1", output="deleted")
    else:
        yield ToolOutputDenied(tool_call_id="call-1")
    yield StartStep()
    yield TextStart(id="t")
    yield TextDelta(id="t", delta="done" if approval.approved else "kept")
    yield TextEnd(id="t")
    yield FinishStep()


async def locating(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Call the page's tool `locate`; say where it is."""
    calls = _calls(run)
    yield StartStep()
    if calls:
        assert isinstance(calls[0].output, str)
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=f"you are in {calls[0].output}")
        yield TextEnd(id="t")
    else:
        yield ToolInputAvailable(tool_call_id="call-1", tool_name="locate", input={})
    yield FinishStep()


def _calls(run: Run) -> list[ToolPart]:
    return [part for part in run.messages[-1].parts if isinstance(part, ToolPart)]
