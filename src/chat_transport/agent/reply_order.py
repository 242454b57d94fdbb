"""The order of a reply: whatever is written comes out in an order that every client accepts.

Rule: `start` first and once; blocks end before their step does, steps before the reply; nothing
follows the end. What cannot be put right, such as a delta for a block that is not open, is refused.
Source: chunk order of AI SDK 7.0.173 and the differences to 5 and 6 (finish-step closes blocks).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..chunks import (
    ABSENT,
    DataChunk,
    Finish,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
    is_terminal,
)
from ..errors import LocalProtocolError
from ..messages import DynamicToolPart, StepStartPart, ToolPart, UIMessage

__all__ = ["ReplyOrder"]

JSON: TypeAlias = Any  # any JSON value


class ReplyOrder:
    """Puts the chunks of one reply in order.

    Args:
        message_id: The id that `start` carries if the writer gives none.
        continued: The assistant message that the reply goes on with; its calls are known.

    Attributes:
        ended: A terminal chunk was given.
    """

    def __init__(self, message_id: str, *, continued: UIMessage | None = None) -> None:
        self.ended = False
        self._message_id = message_id
        self._started = False
        self._in_step = self._has_steps = False
        self._text: dict[str, None] = {}
        self._reasoning: dict[str, None] = {}
        self._inputs: set[str] = set()
        # Call -> the approval that it was asked for; a reset voids those of the step.
        self._earlier: dict[str, str | None] = {}
        self._in_this_step: dict[str, str | None] = {}
        for part in continued.parts if continued is not None else ():
            if isinstance(part, StepStartPart):
                self._leave_step()
                self._inputs.clear()
            elif isinstance(part, ToolPart | DynamicToolPart):
                approval_id = None if part.approval is None else part.approval.id
                self._in_this_step[part.tool_call_id] = approval_id
                if part.state == "input-streaming":
                    self._inputs.add(part.tool_call_id)

    def admit(self, chunk: UIMessageChunk) -> list[UIMessageChunk]:
        """Give what is to be sent for `chunk`: itself, and what must stand before it.

        Raises:
            LocalProtocolError: If it cannot come here: the reply has ended, its block is not open,
                or its tool call is not known.
        """
        if self.ended:
            raise LocalProtocolError(f"unable to write {chunk.type!r}; the reply has ended")
        if isinstance(chunk, Start):
            return self._start(chunk)
        rule = _RULES.get(type(chunk))
        before = rule(self, chunk) if rule is not None else []
        if is_terminal(chunk):
            before = self._close_step()
            self.ended = True
        ready = [*before, chunk]
        if not self._started and not (isinstance(chunk, DataChunk) and chunk.transient is True):
            self._started = True
            ready.insert(0, Start(message_id=self._message_id))
        return ready

    def close(self, last: Finish | None = None) -> list[UIMessageChunk]:
        """Give what a reply without an end still needs: its blocks', its step's, its own."""
        return [] if self.ended else self.admit(last or Finish())

    def _start(self, chunk: Start) -> list[UIMessageChunk]:
        if self._started:
            metadata = chunk.message_metadata
            known = metadata is ABSENT or metadata is None
            return [] if known else [MessageMetadata(message_metadata=metadata)]
        self._started = True
        if chunk.message_id is not ABSENT:
            return [chunk]
        return [
            Start(
                message_id=self._message_id,
                message_metadata=chunk.message_metadata,
                extra=chunk.extra,
            )
        ]

    # ── blocks and steps ─────────────────────────────────────────────────────────────────────────

    def _open_text(self, chunk: TextStart) -> list[UIMessageChunk]:
        before: list[UIMessageChunk] = [TextEnd(id=chunk.id)] if chunk.id in self._text else []
        self._text[chunk.id] = None
        return before

    def _open_reasoning(self, chunk: ReasoningStart) -> list[UIMessageChunk]:
        is_open = chunk.id in self._reasoning
        before: list[UIMessageChunk] = [ReasoningEnd(id=chunk.id)] if is_open else []
        self._reasoning[chunk.id] = None
        return before

    def _in_text(self, chunk: TextDelta | TextEnd) -> list[UIMessageChunk]:
        _require(chunk, chunk.id, chunk.id in self._text, "text part is not open")
        if isinstance(chunk, TextEnd):
            del self._text[chunk.id]
        return []

    def _in_reasoning(self, chunk: ReasoningDelta | ReasoningEnd) -> list[UIMessageChunk]:
        _require(chunk, chunk.id, chunk.id in self._reasoning, "reasoning part is not open")
        if isinstance(chunk, ReasoningEnd):
            del self._reasoning[chunk.id]
        return []

    def _start_step(self, _: StartStep) -> list[UIMessageChunk]:
        before = self._close_step()
        self._in_step = self._has_steps = True
        self._leave_step()
        return before

    def _leave_step(self) -> None:
        self._earlier.update(self._in_this_step)
        self._in_this_step = {}

    def _finish_step(self, chunk: FinishStep) -> list[UIMessageChunk]:
        _require(chunk, "", self._in_step, "no step is open")
        self._in_step = False
        return self._close_blocks()

    def _reset_step(self, _: ResetStep) -> list[UIMessageChunk]:
        self._text, self._reasoning, self._in_this_step = {}, {}, {}
        self._inputs.clear()
        self._in_step = self._has_steps  # the step goes on, also when it was finished
        return []

    def _close_blocks(self) -> list[UIMessageChunk]:
        ends: list[UIMessageChunk] = [ReasoningEnd(id=block) for block in self._reasoning]
        ends += [TextEnd(id=block) for block in self._text]
        self._text, self._reasoning = {}, {}
        return ends

    def _close_step(self) -> list[UIMessageChunk]:
        ends = self._close_blocks()
        if self._in_step:
            self._in_step = False
            ends.append(FinishStep())
        return ends

    # ── tool calls ───────────────────────────────────────────────────────────────────────────────

    def _begin_call(
        self, chunk: ToolInputStart | ToolInputAvailable | ToolInputError
    ) -> list[UIMessageChunk]:
        self._in_this_step.setdefault(chunk.tool_call_id, None)
        if isinstance(chunk, ToolInputStart):
            self._inputs.add(chunk.tool_call_id)
        return []

    def _in_input(self, chunk: ToolInputDelta) -> list[UIMessageChunk]:
        is_open = chunk.tool_call_id in self._inputs
        _require(chunk, chunk.tool_call_id, is_open, "tool input was not started")
        self._in_this_step.setdefault(chunk.tool_call_id, None)
        return []

    def _in_call(
        self, chunk: ToolOutputAvailable | ToolOutputError | ToolOutputDenied | ToolApprovalRequest
    ) -> list[UIMessageChunk]:
        call_id = chunk.tool_call_id
        known = self._in_this_step if call_id in self._in_this_step else self._earlier
        _require(chunk, call_id, call_id in known, "tool call is not known")
        if isinstance(chunk, ToolApprovalRequest):
            known[call_id] = chunk.approval_id
        return []

    def _answer(self, chunk: ToolApprovalResponse) -> list[UIMessageChunk]:
        asked = (*self._in_this_step.values(), *self._earlier.values())
        is_known = chunk.approval_id in asked
        _require(chunk, chunk.approval_id, is_known, "approval was not asked for")
        return []


def _require(chunk: UIMessageChunk, name: str, holds: bool, reason: str) -> None:  # noqa: FBT001  # what must hold
    if not holds:
        subject = f" for {name!r}" if name else ""
        raise LocalProtocolError(f"unable to write {chunk.type!r}{subject}; the {reason}")


_Rule: TypeAlias = Callable[[ReplyOrder, Any], list[UIMessageChunk]]  # Any: each its own class
# ruff: noqa: SLF001  # the table belongs to the class
_RULES: dict[type[UIMessageChunk], _Rule] = {
    TextStart: ReplyOrder._open_text,
    TextDelta: ReplyOrder._in_text,
    TextEnd: ReplyOrder._in_text,
    ReasoningStart: ReplyOrder._open_reasoning,
    ReasoningDelta: ReplyOrder._in_reasoning,
    ReasoningEnd: ReplyOrder._in_reasoning,
    StartStep: ReplyOrder._start_step,
    FinishStep: ReplyOrder._finish_step,
    ResetStep: ReplyOrder._reset_step,
    ToolInputStart: ReplyOrder._begin_call,
    ToolInputAvailable: ReplyOrder._begin_call,
    ToolInputError: ReplyOrder._begin_call,
    ToolInputDelta: ReplyOrder._in_input,
    ToolApprovalRequest: ReplyOrder._in_call,
    ToolApprovalResponse: ReplyOrder._answer,
    ToolOutputAvailable: ReplyOrder._in_call,
    ToolOutputError: ReplyOrder._in_call,
    ToolOutputDenied: ReplyOrder._in_call,
}
"""Chunk class -> what must stand before it. What is not here may come anywhere in the reply."""
