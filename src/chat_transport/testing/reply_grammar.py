"""The grammar of a whole reply, as a reader sees it: what may come after what.

Rule: pure; it names each fault and the place, and raises nothing. A prefix of a well-formed reply
is well formed when `ended` is false. For one step of an adapter see `grammar`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import chunks as c
from ..messages import DynamicToolPart, ToolPart, UIMessage

__all__ = ["reply_faults"]


def reply_faults(
    chunks: Sequence[c.UIMessageChunk],
    *,
    ended: bool = True,
    continued: UIMessage | None = None,
) -> list[str]:
    """Say what is wrong with the chunks of a reply; nothing if it is well formed.

    Args:
        chunks: From `start` on.
        ended: The reply is over: it needs a terminal chunk, and nothing may be open.
        continued: The message that the reply goes on with: its tool calls are known.
    """
    reply = _Reply(continued)
    for number, chunk in enumerate(chunks):
        reply.see(number, chunk)
    if ended:
        reply.end()
    return reply.faults


class _Reply:
    def __init__(self, continued: UIMessage | None) -> None:
        self.faults: list[str] = []
        self._at = "end"
        self._open: set[tuple[str, str]] = set()
        self._approvals: set[str] = set()
        self._calls: dict[str, str] = {}
        self._in_step = False
        self._steps: list[set[str]] = []
        self._terminal: str | None = None
        for part in continued.parts if continued is not None else ():
            if isinstance(part, ToolPart | DynamicToolPart):
                self._calls[part.tool_call_id] = "input"
                if part.approval is not None:
                    self._approvals.add(part.approval.id)

    def see(self, number: int, chunk: c.UIMessageChunk) -> None:
        self._at = f"chunk {number} ({chunk.type})"
        if (number == 0) != isinstance(chunk, c.Start):
            self._fault("`start` comes first and once")
        if self._terminal is not None:
            self._fault(f"comes after the terminal chunk `{self._terminal}`")
        if c.is_terminal(chunk):
            self._terminal = chunk.type
        rule = _RULES.get(type(chunk))
        if rule is not None:
            rule(self, chunk)

    def end(self) -> None:
        self._at = "the end"
        if self._terminal is None:
            self._fault("no terminal chunk")
        for kind, part_id in sorted(self._open):
            self._fault(f"{kind} {part_id!r} is still open")
        if self._in_step:
            self._fault("a step is still open")

    def _fault(self, what: str) -> None:
        self.faults.append(f"{self._at}: {what}")

    def opens(self, kind: str, part_id: str) -> None:
        if (kind, part_id) in self._open:
            self._fault(f"{kind} {part_id!r} is open already")
        self._open.add((kind, part_id))

    def needs(self, kind: str, part_id: str) -> None:
        if (kind, part_id) not in self._open:
            self._fault(f"{kind} {part_id!r} is not open")

    def closes(self, kind: str, part_id: str) -> None:
        self.needs(kind, part_id)
        self._open.discard((kind, part_id))

    def starts_step(self, chunk: Any) -> None:
        if self._in_step:
            self._fault("the step before is not finished")
        self._in_step = True
        self._steps.append(set())

    def finishes_step(self, chunk: Any) -> None:
        if not self._in_step:
            self._fault("no step is open")
        for kind, part_id in sorted(self._open):
            self._fault(f"{kind} {part_id!r} is still open")
        self._open.clear()
        self._in_step = False

    def resets_step(self, chunk: Any) -> None:
        """The step goes on, also when it was finished, and its calls were never made."""
        count = 1 if chunk.steps is c.ABSENT else chunk.steps
        if self._steps and count > len(self._steps):
            self._fault(f"takes back {count} steps of {len(self._steps)}")
        self._open.clear()
        self._in_step = bool(self._steps)
        for call_id in set[str]().union(*self._steps[-count:]):
            self._calls.pop(call_id, None)
        if self._steps:
            self._steps[-count:] = [set()]

    def _makes_call(self, call_id: str) -> None:
        if call_id not in self._calls and self._steps:
            self._steps[-1].add(call_id)

    def starts_input(self, chunk: Any) -> None:
        if chunk.tool_call_id in self._calls:
            self._fault(f"tool call {chunk.tool_call_id!r} was made before")
        self._makes_call(chunk.tool_call_id)
        self._calls[chunk.tool_call_id] = "input"
        self.opens("tool input", chunk.tool_call_id)

    def has_input(self, chunk: Any) -> None:
        self._open.discard(("tool input", chunk.tool_call_id))
        self._makes_call(chunk.tool_call_id)
        self._calls[chunk.tool_call_id] = "output" if chunk.type == "tool-input-error" else "input"

    def has_output(self, chunk: Any) -> None:
        self.needs_call(chunk)
        if self._calls.get(chunk.tool_call_id) == "output":
            self._fault(f"tool call {chunk.tool_call_id!r} has its output already")
        if getattr(chunk, "preliminary", None) is not True:
            self._calls[chunk.tool_call_id] = "output"

    def asks(self, chunk: Any) -> None:
        self.needs_call(chunk)
        self._approvals.add(chunk.approval_id)

    def answers(self, chunk: Any) -> None:
        if chunk.approval_id not in self._approvals:
            self._fault(f"approval {chunk.approval_id!r} was never asked for")

    def needs_call(self, chunk: Any) -> None:
        if chunk.tool_call_id not in self._calls:
            self._fault(f"tool call {chunk.tool_call_id!r} was never made")


_RULES: dict[type[c.UIMessageChunk], Callable[[_Reply, Any], None]] = {
    c.StartStep: _Reply.starts_step,
    c.FinishStep: _Reply.finishes_step,
    c.ResetStep: _Reply.resets_step,
    c.TextStart: lambda reply, chunk: reply.opens("text", chunk.id),
    c.TextDelta: lambda reply, chunk: reply.needs("text", chunk.id),
    c.TextEnd: lambda reply, chunk: reply.closes("text", chunk.id),
    c.ReasoningStart: lambda reply, chunk: reply.opens("reasoning", chunk.id),
    c.ReasoningDelta: lambda reply, chunk: reply.needs("reasoning", chunk.id),
    c.ReasoningEnd: lambda reply, chunk: reply.closes("reasoning", chunk.id),
    c.ToolInputStart: _Reply.starts_input,
    c.ToolInputDelta: lambda reply, chunk: reply.needs("tool input", chunk.tool_call_id),
    c.ToolInputAvailable: _Reply.has_input,
    c.ToolInputError: _Reply.has_input,
    c.ToolApprovalRequest: _Reply.asks,
    c.ToolApprovalResponse: _Reply.answers,
    c.ToolOutputAvailable: _Reply.has_output,
    c.ToolOutputError: _Reply.has_output,
    c.ToolOutputDenied: _Reply.has_output,
}
