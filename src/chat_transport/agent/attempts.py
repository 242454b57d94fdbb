"""Attempts: `async with run.step("name")`, work that may fail, be tried again, and be taken back.

Rule: the same name again is a retry: what the attempt before it said is void, on every wire that
can say so. What is said outside of such blocks is never taken back.
Source: `run.createStep` of @ably/ai-transport 0.8.0; `reset-step` of AI SDK 7.0.70.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, TypeAlias

from .._chunk_log import ChunkLog
from ..chunks import (
    ABSENT,
    Abort,
    DataChunk,
    Error,
    Finish,
    FinishStep,
    MessageMetadata,
    ReasoningStart,
    ResetStep,
    StartStep,
    TextStart,
    ToolInputAvailable,
    ToolInputStart,
    UIMessageChunk,
)
from ..errors import LocalProtocolError
from ._open_parts import OpenParts
from .steering import Steering

__all__ = ["Attempt", "AttemptMark", "AttemptReason", "Attempts"]

AttemptReason: TypeAlias = Literal["complete", "failed", "cancelled"]
_WHY: dict[AttemptReason, str] = {
    "complete": "the reply ended early",
    "failed": "failed",
    "cancelled": "stopped",
}
"""The error text of tool calls that an attempt leaves behind."""


_IN_STEPS = (TextStart, ReasoningStart, ToolInputStart, ToolInputAvailable)
"""What stands in a step: readers of some wires put one around it where there is none."""


class _Ending(Protocol):
    """What the handler said of the end of its reply; an attempt that is taken back said nothing."""

    held: Finish | Abort | Error | None


@dataclass(frozen=True, slots=True)
class AttemptMark:
    """Where an attempt begins or ends in the log of its run.

    Attributes:
        at: It stands before the chunk of this number.
        step: The name of the step.
        reason: How it ended; None where it begins.
        retries: It begins, and takes back what was said before under this name.
    """

    at: int
    step: str
    reason: AttemptReason | None = None
    retries: bool = False


@dataclass(slots=True)
class Attempt:
    """One try of a step: `async with run.step("name") as step`.

    Attributes:
        name: The step's.
        number: From 1; counts the tries in this process.
        failed: An `error` chunk was said in it, or an exception left it.
    """

    name: str
    number: int = 1
    failed: bool = False


@dataclass(slots=True)
class _Tried:
    """What is known of a step's last attempt."""

    attempt: Attempt
    first_step: int
    heard: int
    ending: Finish | Abort | Error | None
    steps: int = 0


class Attempts:
    """The named steps of one run.

    Args:
        run_id: For what errors say.
        log: What the run says.
        parts: What is open in it.
        ending: Set back when an attempt is taken back.
        steers: What was heard in an attempt that is taken back is heard again.

    Attributes:
        marks: Where attempts begin and end in the log, in order; a wire with a word for it says so.
    """

    def __init__(
        self, run_id: str, log: ChunkLog, parts: OpenParts, *, ending: _Ending, steers: Steering
    ) -> None:
        self.marks: list[AttemptMark] = []
        self._run_id = run_id
        self._log = log
        self._parts = parts
        self._ending = ending
        self._steers = steers
        self._tried: dict[str, _Tried] = {}
        self._open: _Tried | None = None
        self._last: _Tried | None = None
        self._skips_start = False

    def step(self, name: str) -> _Block:
        """Give the block of one attempt, not entered yet."""
        return _Block(self, name)

    def admit(self, chunk: UIMessageChunk) -> Sequence[UIMessageChunk]:
        """Give what is to be said for a chunk of the handler: each attempt begins with a step."""
        if isinstance(chunk, MessageMetadata) or (
            isinstance(chunk, DataChunk) and chunk.transient is True
        ):
            return (chunk,)
        tried = self._open
        begun = self._last if tried is None else tried
        if begun is not None and self._parts.is_late(chunk, begun.first_step):
            return (chunk,)
        if tried is None:
            self._last = None
            return (chunk,)
        skips, self._skips_start = self._skips_start, False
        if isinstance(chunk, StartStep):
            if skips:
                return ()  # a reset leaves the marker of its step
            tried.steps += 1
            if self._parts.step_is_open and self._parts.open_part is None:
                return (FinishStep(), chunk)  # ours, or the handler forgot
        elif not tried.steps or (isinstance(chunk, _IN_STEPS) and not self._parts.step_is_open):
            tried.steps += 1
            return (StartStep(), chunk)
        return (chunk,)

    def fail(self) -> None:
        """Note that the handler said `error`."""
        if self._open is not None:
            self._open.attempt.failed = True

    def begin(self, name: str) -> Attempt:
        """Begin an attempt; take back the one before it under this name.

        Raises:
            LocalProtocolError: If it may not begin here; says why and what to do.
        """
        before = self._tried.get(name)
        self._refuse(name, before)
        if self._parts.step_is_open:
            self._say(FinishStep())
        retries = before is not None and before.steps > 0
        self.marks.append(AttemptMark(len(self._log), name, retries=retries))
        tried = _Tried(Attempt(name), self._parts.step + 1, self._steers.heard, self._ending.held)
        if before is not None:
            tried.attempt.number = before.attempt.number + 1
            tried.ending = self._ending.held = before.ending
            tried.heard = before.heard
            self._steers.say_again(before.heard)
            if retries:
                tried.first_step, tried.steps = before.first_step, 1
                self._say(ResetStep(steps=ABSENT if before.steps == 1 else before.steps))
        self._skips_start = retries
        self._tried[name] = self._open = tried
        self._last = None
        return tried.attempt

    def end(self, reason: AttemptReason) -> None:
        """Close what the attempt has left open, and end it."""
        tried = self._open
        assert tried is not None
        for chunk in self._parts.close(
            self._log.merged(),
            why=_WHY[reason],
            cut_calls=reason != "complete",
            since_step=tried.first_step,
        ):
            self._log.append(chunk)
        self.marks.append(AttemptMark(len(self._log), tried.attempt.name, reason))
        self._open, self._last = None, tried
        self._skips_start = False

    def _refuse(self, name: str, before: _Tried | None) -> None:
        act = f"unable to begin step {name!r} of run {self._run_id!r}"
        if not name:
            raise LocalProtocolError(f"{act}; a step needs a name that a retry can repeat")
        if self._log.closed:
            raise LocalProtocolError(f"{act}; the run is over")
        if self._open is not None:
            inside = self._open.attempt.name
            raise LocalProtocolError(
                f"{act}; step {inside!r} is open, and a step holds no other: leave its block first"
            )
        if before is not None and before.steps and before is not self._last:
            raise LocalProtocolError(
                f"{act} again; the run has gone on since: try again at once, or use another name"
            )
        if (part := self._parts.open_part) is not None:
            raise LocalProtocolError(f"{act}; {part} is open: end it first")

    def _say(self, chunk: UIMessageChunk) -> None:
        self._parts.see(chunk)
        self._log.append(chunk)


class _Block:
    """The `async with` block of one attempt."""

    def __init__(self, attempts: Attempts, name: str) -> None:
        self._attempts = attempts
        self._name = name
        self._attempt: Attempt | None = None

    async def __aenter__(self) -> Attempt:
        self._attempt = self._attempts.begin(self._name)
        return self._attempt

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the attempt: as complete, failed (an exception or an `error` chunk), or cancelled."""
        assert self._attempt is not None
        if isinstance(exc, Exception):
            self._attempt.failed = True
        if exc is not None and not isinstance(exc, Exception):
            self._attempts.end("cancelled")
        else:
            self._attempts.end("failed" if self._attempt.failed else "complete")
