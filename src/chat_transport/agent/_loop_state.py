"""What one run of the tool loop holds: calls that run, who is waited for, what was counted.

Rule: no model and no tool is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from anyio import CancelScope
from anyio.abc import TaskGroup

from .._chunk_log import ChunkLog
from .._metadata import merge_metadata
from ..chunks import ABSENT, Finish, FinishReason, UIMessageChunk
from ..messages import StepStartPart, UIMessage
from .run import Run
from .tools import Tool, ToolContext

__all__ = ["LoopState", "add_usage"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(slots=True, kw_only=True)
class LoopState:
    """One run of the loop.

    Attributes:
        waits: A call waits for a person or a client.
        failed: The model said `error`.
        running: Calls that run now.
        calls: Their scopes: they end with the loop, however it is left.
        metadata: What the model calls said at their ends, usage summed.
    """

    run: Run
    tasks: TaskGroup
    log: ChunkLog = field(default_factory=ChunkLog)
    waits: bool = False
    failed: bool = False
    running: int = 0
    calls: set[CancelScope] = field(default_factory=set[CancelScope])
    calls_of_step: int = 0
    finish_reason: FinishReason | None = None
    usage_of_step: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    metadata: dict[str, JSON] = field(default_factory=dict[str, JSON])
    _read: int = 0
    _heard: list[tuple[int, UIMessage]] = field(default_factory=list[tuple[int, UIMessage]])

    def begin_step(self) -> None:
        """Forget what belongs to the step before."""
        self.calls_of_step = 0
        self.finish_reason = None
        self.usage_of_step = {}

    def prompt(self) -> Sequence[UIMessage]:
        """Hear what the user said meanwhile, and give the conversation for the next model call.

        What was said while the reply was under way stands where it was heard: the reply is given
        in pieces around it, so that every model takes it for what it is, a user's message.
        """
        run = self.run
        assert run.reply_so_far is not None
        reply = run.reply_so_far()
        self._heard.extend((len(reply.parts), message) for message in run.steers.take())
        before = run.messages
        if before and before[-1].role == "assistant" and run.trigger == "submit-message":
            before = before[:-1]
        pieces: list[UIMessage] = []
        start = 0
        for place, message in (*self._heard, (len(reply.parts), None)):
            piece, start = reply.parts[start:place], max(start, place)
            if any(not isinstance(part, StepStartPart) for part in piece):
                pieces.append(reply.model_copy(update={"parts": piece}))
            if message is not None:
                pieces.append(message)
        return (*before, *pieces)

    def context(self, call_id: str, tool: Tool) -> ToolContext:
        """Give what a tool may know of its call."""
        return ToolContext(run=self.run, tool_call_id=call_id, tool_name=tool.name)

    def note(self, finish: Finish) -> None:
        """Take up what a model call says at its end; usage is summed over the steps."""
        if finish.finish_reason is not ABSENT:
            self.finish_reason = finish.finish_reason
        said = finish.message_metadata
        if isinstance(said, dict):
            usage = said.get("usage")
            self.usage_of_step = usage if isinstance(usage, dict) else {}
            total = add_usage(self.metadata.get("usage", {}), self.usage_of_step)
            self.metadata = merge_metadata(self.metadata, said)
            if total:
                self.metadata["usage"] = total

    def goes_on(self, number: int, max_steps: int) -> bool:
        """Whether another step follows step `number`, and there is something to tell before it."""
        return bool(self.metadata) and not self.waits and not self.failed and number < max_steps

    def end_call(self) -> None:
        """Note that a call has ended."""
        self.running -= 1
        self.log.extend(())  # wake whoever waits for outputs

    def ready(self) -> Sequence[UIMessageChunk]:
        """Give the outputs that are there."""
        chunks = self.log.since(self._read)
        self._read += len(chunks)
        return chunks

    async def outputs(self) -> Sequence[UIMessageChunk]:
        """Wait for outputs of the calls that run; empty when all have ended and were given."""
        while not (chunks := self.ready()) and self.running:
            await self.log.changed()
        return chunks


def add_usage(total: Mapping[str, JSON], usage: Mapping[str, JSON]) -> dict[str, JSON]:
    """Add numbers at every depth; what is no number is taken from the later."""
    added = dict(total)
    for key, value in usage.items():
        before = added.get(key)
        if isinstance(value, dict):
            added[key] = add_usage(before if isinstance(before, dict) else {}, value)
        elif _is_number(value) and _is_number(before):
            added[key] = before + value
        else:
            added[key] = value
    return added


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
