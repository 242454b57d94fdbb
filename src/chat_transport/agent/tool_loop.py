"""The tool loop: a handler that calls a model, runs the tools it asks for, and calls it again.

Rule: small on purpose. Each call ends in an output, an error, or waits for a person or a client;
nobody's approval is believed for a call that was not issued here. Whole agents come as handlers
of their own.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio

from ..chunks import (
    ABSENT,
    Error,
    Finish,
    FinishReason,
    FinishStep,
    MessageMetadata,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputError,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from ..errors import LocalProtocolError
from ..messages import DynamicToolPart, ToolPart, UIMessage
from ..model import ModelAdapter, ModelSettings, ProviderTool
from ._closing import closing_stream
from ._loop_state import LoopState
from ._shapes import check_loop
from ._tool_calls import ErrorText, mask_tool_error, needs_approval, run_call
from .approvals import ApprovalSigner
from .run import Run
from .tools import Tool, ToolContext

__all__ = ["MAX_STEPS", "StepEnd", "ToolLoop"]

JSON: TypeAlias = Any  # any JSON value
MAX_STEPS = 16
"""Model calls in one run."""
ACTED_UPON = 10_000
"""Approvals that are remembered, so that a second request does not run their calls again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    """What `on_step` is given after each model call and its tools.

    Attributes:
        run: The run.
        number: From 1.
        finish_reason: The model's; None if it gave none.
        usage: What the model counted in this step.
        tool_calls: Calls that were made, the provider's own not counted.
    """

    run: Run
    number: int
    finish_reason: FinishReason | None
    usage: Mapping[str, JSON]
    tool_calls: int


class ToolLoop:
    """A `Handler`: `Agent(ToolLoop(model, tools))`.

    Tools of one step run at once, from the moment their input is complete; their outputs are in the
    same step. A stop cancels them. Tools run only inside an `Agent`. What the user says meanwhile
    (`Run.steers`) is heard before each model call; said in the last step, it is worth another one.

    Args:
        model: Gives one step at each call.
        tools: What the model may call: our functions, a client's, the provider's own.
        settings: For each model call.
        max_steps: Model calls in one run; then the reply finishes as it is.
        signer: Binds approvals to calls; needed where the chat's history comes from the client,
            advised everywhere. With it, an approval without our signature runs nothing.
        on_step: Awaited after each step.
        error_text: What the model and the user read when a tool raises; a `ToolError` speaks for
            itself, of others only the kind is named.
        ids: Makes approval ids.

    Raises:
        TypeError: If the model is no adapter, or one of the tools is no tool.
        ValueError: If two tools have one name.
    """

    def __init__(
        self,
        model: ModelAdapter,
        tools: Sequence[Tool | ProviderTool] = (),
        *,
        settings: ModelSettings | None = None,
        max_steps: int = MAX_STEPS,
        signer: ApprovalSigner | None = None,
        on_step: Callable[[StepEnd], Awaitable[None]] | None = None,
        error_text: ErrorText = mask_tool_error,
        ids: Callable[[], str] | None = None,
    ) -> None:
        check_loop(model, tools)
        self.model = model
        self.tools = {tool.name: tool for tool in tools if isinstance(tool, Tool)}
        self._specs = [tool.spec if isinstance(tool, Tool) else tool for tool in tools]
        self._settings = settings
        self._max_steps = max_steps
        self._signer = signer
        self._on_step = on_step
        self._error_text = error_text
        self._new_id = ids or (lambda: secrets.token_urlsafe(12))
        self._acted_upon: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def __call__(self, run: Run) -> AsyncGenerator[UIMessageChunk, None]:
        """Give the chunks of one run."""
        if run.tasks is None or run.reply_so_far is None:
            raise LocalProtocolError(f"unable to run tools in run {run.run_id!r}; use an Agent")
        state = LoopState(run=run, tasks=run.tasks)
        try:
            async with aclosing(self._reply(state)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            for call in state.calls:  # a loop that is left in the middle leaves no tool running
                call.cancel()

    async def _reply(self, state: LoopState) -> AsyncGenerator[UIMessageChunk, None]:
        run = state.run
        async with aclosing(self._answered(state)) as chunks:
            async for chunk in chunks:
                yield chunk
        number = 0
        while not state.waits and not state.failed and number < self._max_steps:
            number += 1
            async with aclosing(self._step(state, state.prompt())) as chunks:
                async for chunk in chunks:
                    yield chunk
            await self._report(state, number)
            if not state.calls_of_step and not run.steers.has_unheard:
                break
            if state.goes_on(number, self._max_steps):
                yield MessageMetadata(message_metadata=state.metadata)
        if not state.failed:
            reason: FinishReason = "tool-calls" if state.waits else state.finish_reason or "stop"
            metadata = state.metadata or ABSENT
            yield Finish(finish_reason=reason, message_metadata=metadata)

    # ── one step ─────────────────────────────────────────────────────────────────────────────────

    async def _step(
        self, state: LoopState, messages: Sequence[UIMessage]
    ) -> AsyncGenerator[UIMessageChunk, None]:
        state.begin_step()
        stream = self.model.stream(messages, tools=self._specs, settings=self._settings)
        async with closing_stream(stream) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Finish):
                    state.note(chunk)
                    continue
                if isinstance(chunk, FinishStep):
                    while outputs := await state.outputs():
                        for output in outputs:
                            yield output
                elif isinstance(chunk, Error):
                    state.failed = True
                yield chunk
                if isinstance(chunk, ToolInputAvailable) and not chunk.provider_executed:
                    for asked in await self._take_up(state, chunk):
                        yield asked
                elif isinstance(chunk, ToolInputError):
                    state.calls_of_step += 1
                for output in state.ready():
                    yield output
        while outputs := await state.outputs():  # a model that gave no finish-step
            for output in outputs:
                yield output

    async def _take_up(
        self, state: LoopState, call: ToolInputAvailable
    ) -> Sequence[UIMessageChunk]:
        """Start a call, or say for whom it waits."""
        state.calls_of_step += 1
        tool = self.tools.get(call.tool_name)
        if tool is None:
            text = f"there is no tool named {call.tool_name!r}"
            return (ToolOutputError(tool_call_id=call.tool_call_id, error_text=text),)
        if tool.is_client_side:
            state.waits = True
            return ()
        context = state.context(call.tool_call_id, tool)
        if not await needs_approval(tool, call.input, context):
            self._start(state, tool, call.input, context)
            return ()
        state.waits = True
        approval_id = self._new_id()
        signature = self._sign(state.run, approval_id, call.tool_call_id, tool.name, call.input)
        return (
            ToolApprovalRequest(
                approval_id=approval_id,
                tool_call_id=call.tool_call_id,
                signature=ABSENT if signature is None else signature,
            ),
        )

    def _start(self, state: LoopState, tool: Tool, tool_input: JSON, context: ToolContext) -> None:
        state.running += 1

        scope = anyio.CancelScope()
        state.calls.add(scope)

        async def run() -> None:
            try:
                with scope:
                    await run_call(
                        tool, tool_input, context, say=state.log.append, error_text=self._error_text
                    )
            finally:
                state.calls.discard(scope)
                state.end_call()

        state.tasks.start_soon(run)

    async def _report(self, state: LoopState, number: int) -> None:
        if self._on_step is not None:
            await self._on_step(
                StepEnd(
                    run=state.run,
                    number=number,
                    finish_reason=state.finish_reason,
                    usage=state.usage_of_step,
                    tool_calls=state.calls_of_step,
                )
            )

    # ── a reply that goes on ─────────────────────────────────────────────────────────────────────

    async def _answered(self, state: LoopState) -> AsyncGenerator[UIMessageChunk, None]:
        """Act upon the answers in the message that is continued: refusals first, then calls."""
        calls = _open_calls(state.run)
        for call in calls:
            if call.state == "approval-responded" and not _is_approved(call):
                yield ToolOutputDenied(tool_call_id=call.tool_call_id)
        for call in calls:
            chunk = self._act_upon(state, call)
            if chunk is not None:
                yield chunk
        while outputs := await state.outputs():
            for output in outputs:
                yield output

    def _act_upon(
        self, state: LoopState, call: ToolPart | DynamicToolPart
    ) -> UIMessageChunk | None:
        tool = self.tools.get(call.tool_name)
        is_ours = tool is not None and not tool.is_client_side
        if call.state == "approval-requested" or (call.state == "input-available" and not is_ours):
            state.waits = True
            return None
        if call.state == "approval-responded" and not _is_approved(call):
            return None
        if tool is None or not is_ours:
            text = f"there is no tool named {call.tool_name!r}"
            return ToolOutputError(tool_call_id=call.tool_call_id, error_text=text)
        if call.state == "input-available":  # its run died with its process
            text = "interrupted before it finished"
            return ToolOutputError(tool_call_id=call.tool_call_id, error_text=text)
        return self._run_approved(state, tool, call)

    def _run_approved(
        self, state: LoopState, tool: Tool, call: ToolPart | DynamicToolPart
    ) -> UIMessageChunk | None:
        run, approval = state.run, call.approval
        assert approval is not None
        if self._signer is not None and not self._signer.verify(
            approval.signature,
            chat_id=run.chat_id,
            approval_id=approval.id,
            tool_call_id=call.tool_call_id,
            tool_name=call.tool_name,
            tool_input=call.input,
        ):
            text = "the approval was not given for this call"
            return ToolOutputError(tool_call_id=call.tool_call_id, error_text=text)
        if tool.may_approve is not None and not tool.may_approve(run.user):
            state.waits = True  # ask again, under the same id and signature
            return ToolApprovalRequest(
                approval_id=approval.id,
                tool_call_id=call.tool_call_id,
                signature=ABSENT if approval.signature is None else approval.signature,
            )
        if not self._claim(run.chat_id, approval.id):
            text = "the approved call was run before"
            return ToolOutputError(tool_call_id=call.tool_call_id, error_text=text)
        self._start(state, tool, call.input, state.context(call.tool_call_id, tool))
        return None

    def _claim(self, chat_id: str, approval_id: str) -> bool:
        """Take an approval for execution; false if it was taken before, in this process."""
        # By approval: some providers number their calls anew in each response.
        key = (chat_id, approval_id)
        if key in self._acted_upon:
            return False
        self._acted_upon[key] = None
        if len(self._acted_upon) > ACTED_UPON:
            self._acted_upon.popitem(last=False)
        return True

    def _sign(
        self, run: Run, approval_id: str, call_id: str, tool_name: str, tool_input: JSON
    ) -> str | None:
        if self._signer is None:
            return None
        return self._signer.sign(
            chat_id=run.chat_id,
            approval_id=approval_id,
            tool_call_id=call_id,
            tool_name=tool_name,
            tool_input=tool_input,
        )


def _is_approved(call: ToolPart | DynamicToolPart) -> bool:
    return call.approval is not None and call.approval.approved is True


def _open_calls(run: Run) -> Sequence[ToolPart | DynamicToolPart]:
    """Give the calls without output in the message that is continued, in their order."""
    if not run.messages or run.trigger != "submit-message":
        return ()
    if run.messages[-1].role != "assistant":
        return ()
    assert run.reply_so_far is not None
    last = run.reply_so_far()  # a loop before this one may have acted upon some
    is_open = {"input-available", "approval-requested", "approval-responded"}
    return [
        part
        for part in last.parts
        if isinstance(part, ToolPart | DynamicToolPart)
        and part.state in is_open
        and not part.provider_executed
    ]
