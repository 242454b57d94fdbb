"""The agent's end of every transport: runs handlers, writes their chunks into logs, ends each run.

Rule: the runtime knows no wire; each run has one log, one terminal chunk and one call of `on_end`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

import anyio
from anyio.abc import TaskGroup

from .._chunk_log import ChunkLog
from .._tasks import open_task_group
from ..chunks import (
    Abort,
    Error,
    Finish,
    FinishStep,
    Start,
    TextDelta,
    UIMessageChunk,
)
from ..errors import TransportClosed
from ..messages import UIMessage
from ..reducer import MessageReducer
from ._closing import closing_stream
from ._ending import Ending
from ._open_parts import OpenParts
from ._shapes import check_chunk, check_handler, check_stream
from ._states import Completed, Failed, RunEvent, RunState, Stopped, Waits, step
from .attempts import Attempts
from .run import Handler, Run, RunEnd, RunRequest

__all__ = ["MASKED_ERROR_TEXT", "ActiveRun", "Agent", "OnEnd"]

MASKED_ERROR_TEXT = "An error occurred."
"""What a user reads when a handler raises, unless `error_text` says otherwise (AI SDK's words)."""
END_TIMEOUT_S = 10.0
"""Seconds that `on_end` may take, also when the agent is cancelled."""

OnEnd: TypeAlias = Callable[[RunEnd], Awaitable[None]]
Keep: TypeAlias = Callable[[RunEnd], Awaitable[str | None]]
"""Keeps a reply and gives None, or what the user reads because it could not. Raises nothing."""
_log = logging.getLogger("chat_transport.agent")


class Agent:
    """Runs a handler for each request, any number at once, inside `async with`.

    Leaving the block stops what still runs: those replies end with `abort`, their `on_end` is
    called. Call `drain` first to let them finish.

    Args:
        handler: Gives the chunks of a reply.
        on_end: Awaited exactly once for each run, after its terminal chunk and before its log
            closes. What it raises is logged.
        error_text: What the user reads when the handler raised; masked by default.
        ids: Makes new run and message ids.
        end_timeout_s: Seconds that `on_end` may take; None waits for ever.

    Raises:
        TypeError: If the handler cannot be called.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        on_end: OnEnd | None = None,
        error_text: Callable[[Exception], str] | None = None,
        ids: Callable[[], str] | None = None,
        end_timeout_s: float | None = END_TIMEOUT_S,
    ) -> None:
        check_handler(handler)
        self.handler = handler
        self._on_end = on_end
        self._error_text = error_text or _masked
        self.new_id = ids or (lambda: secrets.token_urlsafe(12))
        self._end_timeout_s = end_timeout_s
        self._runs: dict[str, list[ActiveRun]] = {}
        self._open: TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._open = await self._stack.enter_async_context(open_task_group())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._open = None
        for run in self.active():
            run.stop("the agent closed")
        return await self._stack.__aexit__(exc_type, exc, traceback)

    def start(self, request: RunRequest, *, keep: Keep | None = None) -> ActiveRun:
        """Start a run and give it at once; it lives in the agent, not in the caller.

        Args:
            request: What is asked.
            keep: Awaited before the terminal chunk is said, so that whoever reads that chunk
                finds the reply kept; a reply that was not ends with `error`. Bounds its own time.

        Raises:
            TransportClosed: If the agent is not entered.
        """
        if self._open is None:
            raise TransportClosed(
                f"unable to start a run in chat {request.chat_id!r}; the agent is not open: "
                "enter it with `async with`"
            )
        active = ActiveRun(self._run(request), self.handler, finish=self._finish, keep=keep)
        self._runs.setdefault(request.chat_id, []).append(active)
        self._open.start_soon(active._execute, self._error_text)  # noqa: SLF001  # one piece
        return active

    def active(self, chat_id: str | None = None) -> list[ActiveRun]:
        """Give the runs under way, oldest first: of one chat, or all."""
        if chat_id is not None:
            return list(self._runs.get(chat_id, ()))
        return [run for runs in self._runs.values() for run in runs]

    def stop(self, chat_id: str, run_id: str | None = None, *, reason: str | None = None) -> bool:
        """Stop one run of a chat, or all; whether there was any. Returns at once."""
        runs = [run for run in self.active(chat_id) if run_id in {None, run.run.run_id}]
        for run in runs:
            run.stop(reason)
        return bool(runs)

    async def drain(self) -> None:
        """Wait until no run is under way."""
        for run in self.active():
            await run.wait()

    def _run(self, request: RunRequest) -> Run:
        continued = _continued(request)
        reply_id = request.response_message_id or (continued.id if continued else self.new_id())
        return Run(
            run_id=request.run_id or self.new_id(),
            chat_id=request.chat_id,
            messages=tuple(request.messages),
            trigger=request.trigger,
            message_id=request.message_id,
            response_message_id=reply_id,
            user=request.user,
            metadata=request.metadata,
        )

    async def _finish(self, active: ActiveRun, end: RunEnd) -> None:
        try:
            if self._on_end is not None:
                with anyio.move_on_after(self._end_timeout_s, shield=True) as scope:
                    await self._on_end(end)
                if scope.cancelled_caught:
                    _log.error("on_end of run %r took too long and was cut", end.run.run_id)
        except Exception:  # noqa: BLE001  # the application's code must not end other runs
            _log.exception("on_end of run %r failed", end.run.run_id)
        finally:
            runs = self._runs[end.run.chat_id]
            runs.remove(active)
            if not runs:
                del self._runs[end.run.chat_id]


class ActiveRun:
    """A run under way, made by `Agent.start`.

    Attributes:
        run: What the handler works on.
        log: What the run has said; closed when the run has ended and `on_end` is done.
        state: `active`, `suspended` (a tool call waits for a person or a client) or `ended`.
        end: How it ended; None while active.
        attempts: Its named steps, and where their attempts stand in the log.
    """

    def __init__(
        self,
        run: Run,
        handler: Handler,
        *,
        finish: Callable[[ActiveRun, RunEnd], Awaitable[None]],
        keep: Keep | None = None,
    ) -> None:
        self.run = run
        self.log = ChunkLog(run.run_id)
        self.state: RunState = "active"
        self.end: RunEnd | None = None
        self._handler = handler
        self._finish = finish
        self._keep = keep
        self._scope = anyio.CancelScope()
        self._stopped: Stopped | None = None
        self._done = anyio.Event()
        self._continued = _continued(run)
        self._parts = OpenParts(self._continued)
        self._ending = Ending(self.log)
        self.attempts = Attempts(
            run.run_id, self.log, self._parts, ending=self._ending, steers=run.steers
        )
        self.log.append(Start(message_id=run.response_message_id))

    def stop(self, reason: str | None = None) -> None:
        """Ask the run to end, at once: its handler is cancelled and closed.

        The reply so far is kept and ends with `abort`. Nothing happens once the run has ended.

        Args:
            reason: Shown in the `abort` chunk; None gives none.
        """
        if self.state == "suspended":
            self.state = step(self.state, Stopped(reason))
        elif self.state == "active" and self._stopped is None:
            self._stopped = Stopped(reason)
            self._scope.cancel()

    def steer(self, message: UIMessage, *, heard: Callable[[], None] | None = None) -> bool:
        """Say something to the run while it is under way; False if it is not.

        Args:
            message: What is said.
            heard: Called when the handler takes it.
        """
        return self._stopped is None and self.run.steers.say(message, heard=heard)

    async def wait(self) -> RunEnd:
        """Wait until the run has ended and `on_end` is done."""
        await self._done.wait()
        assert self.end is not None
        return self.end

    # ── inside the agent's task group ────────────────────────────────────────────────────────────

    async def _execute(self, error_text: Callable[[Exception], str]) -> None:
        event: RunEvent = Stopped("the agent was cancelled")
        try:
            with self._scope:
                event = await self._follow(error_text)
            if self._stopped is not None:
                event = self._stopped
        finally:
            with anyio.CancelScope(shield=True):
                await self._conclude(event)

    async def _follow(self, error_text: Callable[[Exception], str]) -> RunEvent:
        if self._stopped is not None:  # stopped before it began
            return self._stopped
        text, append = self._parts.text, self.log.append
        try:
            async with open_task_group() as tasks:
                run = replace(
                    self.run,
                    tasks=tasks,
                    reply_so_far=self._reply_so_far,
                    attempts=self.attempts,
                )
                chunks = self._handler(run)
                check_stream(chunks, self._handler)
                async with closing_stream(chunks):
                    async for chunk in chunks:
                        # Nearly all chunks there are go the short way; one call less counts here.
                        if type(chunk) is TextDelta and chunk.id in text and not self._stopped:
                            append(chunk)
                        else:
                            self._accept(chunk)
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  # the application's handler: this run ends, no other
            _log.exception("the handler of run %r failed", self.run.run_id)
            return Failed(_say(error_text, error), error)
        held = self._ending.held
        if isinstance(held, Error):
            _log.warning("run %r ended with an error: %s", self.run.run_id, held.error_text)
            return Failed(held.error_text)
        if isinstance(held, Abort):
            reason = held.reason
            return Stopped(reason if isinstance(reason, str) else None)
        return Waits() if self._parts.waits else Completed()

    def _accept(self, chunk: UIMessageChunk) -> None:
        if self._stopped is not None:
            return  # a handler that will not hear: what it says after the stop is void
        if isinstance(chunk, Start):
            self._ending.tell(chunk.message_metadata)
        elif isinstance(chunk, Finish | Abort | Error):
            if isinstance(chunk, Error):
                self.attempts.fail()
            self._ending.hold(chunk)
        else:
            check_chunk(chunk)
            answer = self._parts.answer_before(chunk)
            before = () if answer is None else (answer,)
            if isinstance(chunk, FinishStep):
                self.log.extend(self._parts.end_blocks())
            for each in (*before, chunk):
                for admitted in self.attempts.admit(each):
                    self._parts.see(admitted)
                    self.log.append(admitted)

    async def _conclude(self, event: RunEvent) -> None:
        was_cut = self._parts.is_cut
        why = {"complete": "the reply ended early", "cancelled": "stopped", "error": "failed"}
        self.log.extend(
            self._parts.close(
                self.log.merged(),
                why=why[event.reason],
                cut_calls=not isinstance(event, Completed | Waits),
            )
        )
        if isinstance(event, Completed) and self._parts.waits:
            event = Waits()
        self.run.steers.close()
        last = self._ending.last_chunk(event, was_cut=was_cut)
        end = self._make_end(event, last)
        lost = None if self._keep is None else await self._keep(end)
        if lost is not None:
            event = Failed(lost)
            if isinstance(last, Finish):
                self._ending.tell(last.message_metadata)
            last = Error(error_text=lost)
            end = self._make_end(event, last)
        self.log.append(last)
        self.state = step(self.state, event)
        self.end = end
        try:
            await self._finish(self, end)
        finally:
            self.log.close()
            self._done.set()

    def _fold(self) -> MessageReducer:
        fold = MessageReducer(self._continued, message_id=self.run.response_message_id)
        for chunk in self.log.merged():
            fold.feed(chunk)
        return fold

    def _reply_so_far(self) -> UIMessage:
        return self._fold().message

    def _make_end(self, event: RunEvent, last: UIMessageChunk) -> RunEnd:
        fold = self._fold()
        fold.feed(last)
        messages = self.run.messages
        kept = messages[:-1] if self._continued is not None else messages
        return RunEnd(
            run=self.run,
            reason=event.reason,
            response_message=fold.message,
            messages=(*kept, fold.message),
            finish_reason=fold.finish_reason,
            error=event.error if isinstance(event, Failed) else None,
            suspended=isinstance(event, Waits),
        )


def _continued(request: RunRequest | Run) -> UIMessage | None:
    """The last message, if the reply goes on with it (answered tools or approvals)."""
    if not request.messages or request.trigger != "submit-message":
        return None
    last = request.messages[-1]
    return last if last.role == "assistant" else None


def _masked(_error: Exception) -> str:
    return MASKED_ERROR_TEXT


def _say(error_text: Callable[[Exception], str], error: Exception) -> str:
    try:
        return error_text(error)
    except Exception:  # noqa: BLE001  # the application's code must not end other runs
        _log.exception("error_text failed")
        return MASKED_ERROR_TEXT
