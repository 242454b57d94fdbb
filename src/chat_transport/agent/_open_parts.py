"""What a reply has opened and not closed: the runtime's guard of the chunk grammar.

Rule: one look-up for a delta; whatever is still open when a run ends gets its closing chunk here.
Source: chunk order of AI SDK 7.0.173; tool states of `UIMessage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..chunks import (
    ABSENT,
    Absent,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
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
)
from ..errors import LocalProtocolError
from ..messages import DynamicToolPart, StepStartPart, ToolPart, UIMessage

__all__ = ["OpenCall", "OpenParts"]


_OF_CALLS = (ToolApprovalRequest, ToolOutputAvailable, ToolOutputDenied, ToolOutputError)


@dataclass(slots=True)
class OpenCall:
    """A tool call that has no final output yet.

    Attributes:
        waits_for: `input` while the model writes it, `output` while it runs, `approval` while a
            person is asked, `nothing` when it has its output.
        steps: In which steps the call stands, by number; 0 is the last one of the message that the
            run continues, earlier ones are below.
        approval_id: The approval that was asked for last, if any.
        approved: Its answer; None while there is none.
    """

    tool_call_id: str
    tool_name: str
    waits_for: str = "input"
    provider_executed: bool = False
    dynamic: bool | Absent | None = None
    steps: set[int] = field(default_factory=set[int])
    approval_id: str | None = None
    approved: bool | None = None


class OpenParts:
    """Follows one reply. `see` each chunk before it is written; `close` gives what is missing.

    Args:
        continued: The message that the reply goes on with, if any: its tool calls are known.
    """

    def __init__(self, continued: UIMessage | None = None) -> None:
        self.text: dict[str, int] = {}
        """Ids of open text parts: the runtime looks here for each delta."""
        self._reasoning: dict[str, int] = {}
        self._step = 0
        self.calls: dict[str, OpenCall] = {}
        self._approvals: dict[str, str] = {}
        self.step_is_open = False
        self._has_steps = False
        self._rules: dict[type[UIMessageChunk], Callable[[Any], None]] = {
            TextStart: lambda chunk: self._open(self.text, chunk),
            TextDelta: lambda chunk: self._need(self.text, chunk),
            TextEnd: lambda chunk: self._shut(self.text, chunk),
            ReasoningStart: lambda chunk: self._open(self._reasoning, chunk),
            ReasoningDelta: lambda chunk: self._need(self._reasoning, chunk),
            ReasoningEnd: lambda chunk: self._shut(self._reasoning, chunk),
            StartStep: self._start_step,
            FinishStep: self._finish_step,
            ResetStep: self._reset_step,
            ToolInputStart: self._call_named,
            ToolInputDelta: self._input_delta,
            ToolInputAvailable: self._call_named,
            ToolInputError: self._call_named,
            ToolApprovalRequest: self._approval_request,
            ToolApprovalResponse: self._approval_response,
            ToolOutputAvailable: self._output,
            ToolOutputError: self._output,
            ToolOutputDenied: self._output,
        }
        if continued is not None and continued.role == "assistant":
            self._seed(continued)

    def see(self, chunk: UIMessageChunk) -> None:
        """Note a chunk.

        Raises:
            LocalProtocolError: If it may not come here; names the chunk, its id and the remedy.
        """
        rule = self._rules.get(type(chunk))
        if rule is not None:
            rule(chunk)

    @property
    def waits(self) -> bool:
        """Whether a tool call waits for a person's approval or a client's output."""
        return any(
            call.waits_for == "approval"
            or (call.waits_for == "output" and not call.provider_executed)
            for call in self.calls.values()
        )

    @property
    def is_cut(self) -> bool:
        """Whether a text, a reasoning or a tool input was begun and not ended."""
        return bool(
            self.text
            or self._reasoning
            or any(call.waits_for == "input" for call in self.calls.values())
        )

    @property
    def step(self) -> int:
        """The number of the current step; 0 before the first one of this reply."""
        return self._step

    @property
    def open_part(self) -> str | None:
        """A text, reasoning or tool input that was begun and not ended, in words; None if none."""
        for kind, opened in (("text", self.text), ("reasoning", self._reasoning)):
            for part_id in opened:
                return f"{kind} {part_id!r}"
        writing = (key for key, call in self.calls.items() if call.waits_for == "input")
        return next((f"the input of tool call {key!r}" for key in writing), None)

    def is_late(self, chunk: UIMessageChunk, step: int) -> bool:
        """Whether the chunk is about a tool call that was made before this step: it makes no part.

        Such a chunk outlives a reset of the step: the tool did run, the person did answer.
        """
        if isinstance(chunk, ToolApprovalResponse):
            call = self.calls.get(self._approvals.get(chunk.approval_id, ""))
        elif isinstance(chunk, _OF_CALLS):
            call = self.calls.get(chunk.tool_call_id)
        else:
            return False
        return call is not None and max(call.steps) < step

    def close(
        self, said: Iterable[UIMessageChunk], *, why: str, cut_calls: bool, since_step: int = 0
    ) -> Iterator[UIMessageChunk]:
        """Give the chunks that close what is open, and note them.

        Args:
            said: The reply so far; read only if a tool input is open, to keep what it says.
            why: The error text of tool calls that are cut.
            cut_calls: End calls that run; False leaves them to a client that will answer.
            since_step: Calls that were made before this step are let alone; 0 lets none.
        """
        yield from self.end_blocks()
        for call in self.calls.values():
            if since_step and max(call.steps) < since_step:
                continue
            if call.waits_for == "input" or (cut_calls and call.waits_for == "output"):
                yield from _end_of(call, said, why)
                call.waits_for = "nothing"
        if self.step_is_open:
            self.step_is_open = False
            yield FinishStep()

    def end_blocks(self) -> list[UIMessageChunk]:
        """Give the ends of open texts and reasonings, and note them.

        They come before the end of their step: clients before AI SDK 7.0.79 end them with it, and
        fail at an end that comes later.
        """
        ends: list[UIMessageChunk] = [TextEnd(id=text_id) for text_id in self.text]
        ends += [ReasoningEnd(id=reasoning_id) for reasoning_id in self._reasoning]
        self.text.clear()
        self._reasoning.clear()
        return ends

    def answer_before(self, chunk: UIMessageChunk) -> ToolApprovalResponse | None:
        """Give the answer that a call needs before this output, if its approval has none.

        Who gives the output of a call that he asked leave for has answered himself. Without an
        answer no server would take the message back: a finished call has no open approval.
        """
        if not isinstance(chunk, ToolOutputAvailable | ToolOutputError | ToolOutputDenied):
            return None
        call = self.calls.get(chunk.tool_call_id)
        if call is None or call.approval_id is None or call.approved is not None:
            return None
        approved = not isinstance(chunk, ToolOutputDenied)
        return ToolApprovalResponse(approval_id=call.approval_id, approved=approved)

    # ── rules ────────────────────────────────────────────────────────────────────────────────────

    def _open(self, opened: dict[str, int], chunk: TextStart | ReasoningStart) -> None:
        if chunk.id in opened:
            raise _out_of_order(chunk.type, chunk.id, "it is open already; end it first")
        opened[chunk.id] = self._step

    def _need(
        self,
        opened: dict[str, int],
        chunk: TextDelta | TextEnd | ReasoningDelta | ReasoningEnd,
    ) -> None:
        if chunk.id not in opened:
            raise _out_of_order(chunk.type, chunk.id, "it is not open; start it first")

    def _shut(self, opened: dict[str, int], chunk: TextEnd | ReasoningEnd) -> None:
        self._need(opened, chunk)
        del opened[chunk.id]

    def _start_step(self, chunk: StartStep) -> None:
        self.step_is_open = self._has_steps = True
        self._step += 1

    def _finish_step(self, chunk: FinishStep) -> None:
        self.step_is_open = False

    def _reset_step(self, chunk: ResetStep) -> None:
        first = self._step + 1 - (1 if chunk.steps is ABSENT else chunk.steps)
        inputs = {
            call.tool_call_id: max(call.steps)
            for call in self.calls.values()
            if call.waits_for == "input"
        }
        for part_id, opened_in in (*self.text.items(), *self._reasoning.items(), *inputs.items()):
            if opened_in < first:
                raise _out_of_order(chunk.type, part_id, "it is open since an earlier step")
        self.text.clear()
        self._reasoning.clear()
        void = {key for key, call in self.calls.items() if max(call.steps) >= first}
        self._approvals = {
            approval: call_id
            for approval, call_id in self._approvals.items()
            if call_id not in void
        }
        for key in void:
            call = self.calls[key]
            call.steps = {step for step in call.steps if step < first}
            call.waits_for = "nothing"
            call.approval_id = call.approved = None
            if not call.steps:
                del self.calls[key]
        self._step = first
        self.step_is_open = self._has_steps  # the step goes on, also when it was finished

    def _call_named(self, chunk: ToolInputStart | ToolInputAvailable | ToolInputError) -> None:
        call = self.calls.get(chunk.tool_call_id)
        if call is None:
            call = OpenCall(chunk.tool_call_id, chunk.tool_name)
            self.calls[chunk.tool_call_id] = call
        call.tool_name = chunk.tool_name
        call.steps.add(self._step)
        call.dynamic = chunk.dynamic
        call.provider_executed = chunk.provider_executed is True
        waits: dict[type[UIMessageChunk], str] = {
            ToolInputStart: "input",
            ToolInputAvailable: "output",
        }
        call.waits_for = waits.get(type(chunk), "nothing")

    def _input_delta(self, chunk: ToolInputDelta) -> None:
        call = self.calls.get(chunk.tool_call_id)
        if call is None or call.waits_for != "input":
            raise _out_of_order(chunk.type, chunk.tool_call_id, "its input is not open")

    def _approval_request(self, chunk: ToolApprovalRequest) -> None:
        call = self._call(chunk.type, chunk.tool_call_id)
        call.waits_for, call.approval_id, call.approved = "approval", chunk.approval_id, None
        self._approvals = {  # a call has one approval: the newest
            approval: call_id
            for approval, call_id in self._approvals.items()
            if call_id != chunk.tool_call_id
        }
        self._approvals[chunk.approval_id] = chunk.tool_call_id

    def _approval_response(self, chunk: ToolApprovalResponse) -> None:
        call_id = self._approvals.get(chunk.approval_id)
        call = self.calls.get(call_id) if call_id is not None else None
        if call is None:
            raise _out_of_order(chunk.type, chunk.approval_id, "no approval of that id was asked")
        call.waits_for, call.approved = "output", chunk.approved

    def _output(self, chunk: ToolOutputAvailable | ToolOutputError | ToolOutputDenied) -> None:
        call = self._call(chunk.type, chunk.tool_call_id)
        is_preliminary = isinstance(chunk, ToolOutputAvailable) and chunk.preliminary is True
        if not is_preliminary:
            call.waits_for = "nothing"

    def _call(self, chunk_type: str, call_id: str) -> OpenCall:
        call = self.calls.get(call_id)
        if call is None:
            raise _out_of_order(chunk_type, call_id, "no tool call of that id was announced")
        return call

    def _seed(self, message: UIMessage) -> None:
        waits = {
            "input-available": "output",
            "approval-requested": "approval",
            "approval-responded": "output",
        }
        step = -sum(isinstance(part, StepStartPart) for part in message.parts)
        for part in message.parts:
            if isinstance(part, StepStartPart):
                step += 1
            elif isinstance(part, ToolPart | DynamicToolPart):
                call = self.calls.setdefault(
                    part.tool_call_id, OpenCall(part.tool_call_id, part.tool_name)
                )
                call.steps.add(step)
                call.waits_for = waits.get(part.state, "nothing")
                call.provider_executed = part.provider_executed is True
                if part.approval is not None:
                    self._approvals[part.approval.id] = part.tool_call_id
                    call.approval_id, call.approved = part.approval.id, part.approval.approved


def _out_of_order(chunk_type: str, part_id: str, what: str) -> LocalProtocolError:
    return LocalProtocolError(f"unable to write {chunk_type!r} for {part_id!r}; {what}")


def _end_of(call: OpenCall, said: Iterable[UIMessageChunk], why: str) -> Iterator[UIMessageChunk]:
    """Cut a call. With a refused or unanswered approval it ends as denied, never as an error."""
    call_id = call.tool_call_id
    denied = call.approval_id is not None and call.approved is not True
    if call.waits_for == "input":
        text = _input_text(said, call_id)
        named: dict[str, Any] = {
            "tool_call_id": call_id,
            "tool_name": call.tool_name,
            "input": text,
        }
        if not denied:
            yield ToolInputError(**named, error_text=why, **_dynamic(call))
            return
        yield ToolInputAvailable(**named, **_dynamic(call))
    if not denied:
        yield ToolOutputError(tool_call_id=call_id, error_text=why)
        return
    if call.approved is None:
        assert call.approval_id is not None
        yield ToolApprovalResponse(approval_id=call.approval_id, approved=False, reason=why)
    yield ToolOutputDenied(tool_call_id=call_id)


def _dynamic(call: OpenCall) -> dict[str, Any]:
    return {"dynamic": call.dynamic} if isinstance(call.dynamic, bool) else {}


def _input_text(said: Iterable[UIMessageChunk], call_id: str) -> str:
    return "".join(
        chunk.input_text_delta
        for chunk in said
        if isinstance(chunk, ToolInputDelta) and chunk.tool_call_id == call_id
    )
