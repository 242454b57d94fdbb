"""The grammar of one step: what an adapter may say, and in which order.

Rule: pure; a table from chunk type to check. For authors of adapters.
Source: AI SDK 7.0.173's reducer, and the rules of docs/how-to/write-a-provider.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .. import chunks as c

__all__ = ["grammar_faults"]

JSON: TypeAlias = Any  # any JSON value


class _Step:
    def __init__(self) -> None:
        self.faults: list[str] = []
        self.open: set[tuple[str, str]] = set()
        self.calls: set[str] = set()
        self.in_step = False
        self.finished = False

    def start_step(self, chunk: Any) -> None:
        if self.in_step:
            self.faults.append("start-step inside a step")
        self.in_step = True

    def finish_step(self, chunk: Any) -> None:
        if not self.in_step:
            self.faults.append("finish-step outside a step")
        for kind, part_id in sorted(self.open):
            self.faults.append(f"finish-step while {kind} {part_id!r} is open")
        self.open.clear()
        self.in_step = False

    def open_part(self, kind: str, part_id: str) -> None:
        if (kind, part_id) in self.open:
            self.faults.append(f"{kind} {part_id!r} is opened twice")
        self.open.add((kind, part_id))

    def need_open(self, kind: str, part_id: str, what: str) -> None:
        if (kind, part_id) not in self.open:
            self.faults.append(f"{what} for {kind} {part_id!r}, which is not open")

    def close_part(self, kind: str, part_id: str, what: str) -> None:
        self.need_open(kind, part_id, what)
        self.open.discard((kind, part_id))

    def input_start(self, chunk: Any) -> None:
        self.open_part("tool input", chunk.tool_call_id)
        self.calls.add(chunk.tool_call_id)

    def input_end(self, chunk: Any) -> None:
        self.open.discard(("tool input", chunk.tool_call_id))
        self.calls.add(chunk.tool_call_id)

    def need_call(self, chunk: Any) -> None:
        if chunk.tool_call_id not in self.calls:
            self.faults.append(f"{chunk.type} for tool call {chunk.tool_call_id!r}, never made")

    def finish(self, chunk: Any) -> None:
        if self.in_step:
            self.faults.append(f"{chunk.type} inside a step")
        self.finished = True


_CHECKS: dict[str, Callable[[_Step, Any], None]] = {
    "start-step": _Step.start_step,
    "finish-step": _Step.finish_step,
    "text-start": lambda step, chunk: step.open_part("text", chunk.id),
    "text-delta": lambda step, chunk: step.need_open("text", chunk.id, chunk.type),
    "text-end": lambda step, chunk: step.close_part("text", chunk.id, chunk.type),
    "reasoning-start": lambda step, chunk: step.open_part("reasoning", chunk.id),
    "reasoning-delta": lambda step, chunk: step.need_open("reasoning", chunk.id, chunk.type),
    "reasoning-end": lambda step, chunk: step.close_part("reasoning", chunk.id, chunk.type),
    "tool-input-start": _Step.input_start,
    "tool-input-delta": lambda step, chunk: step.need_open(
        "tool input", chunk.tool_call_id, chunk.type
    ),
    "tool-input-available": _Step.input_end,
    "tool-input-error": _Step.input_end,
    "tool-approval-request": _Step.need_call,
    "tool-output-denied": _Step.need_call,
    "finish": _Step.finish,
}
_OUTSIDE = frozenset({"start", "finish", "error", "abort", "message-metadata", "start-step"})
_NEVER = frozenset({"start", "abort"})


def grammar_faults(chunks: Sequence[c.UIMessageChunk]) -> list[str]:
    """Say what is wrong with the chunks of one step; nothing if it is well formed.

    An output may belong to a call of an earlier step: providers that run tools answer later.
    """
    if len(chunks) == 1 and isinstance(chunks[0], c.Error):
        return []
    step = _Step()
    for chunk in chunks:
        if step.finished:
            step.faults.append(f"{chunk.type} after finish")
        if chunk.type in _NEVER:
            step.faults.append(f"{chunk.type} is the run's to say")
        elif not step.in_step and chunk.type not in _OUTSIDE and chunk.type != "finish-step":
            step.faults.append(f"{chunk.type} outside a step")
        check = _CHECKS.get(chunk.type)
        if check is not None:
            check(step, chunk)
    if not step.finished:
        step.faults.append("the step ends without finish")
    return step.faults
