"""A reply written from code: `write` chunks, `merge` other streams, and read the whole as one.

Rule: what is written comes out in legal order and under ids of its own, unless `ordered` is off.
An error of the application becomes an `error` chunk with a text that hides it; `on_end` is called
exactly once, also when the reader leaves.
Source: AI SDK 7.0.173 `createUIMessageStream`, pinned by the vectors of group `server`.
"""

from __future__ import annotations

import inspect
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias, TypedDict, TypeVar

import anyio
from anyio.abc import TaskGroup

from ..chunks import (
    ABSENT,
    Abort,
    Error,
    Finish,
    FinishReason,
    FinishStep,
    Start,
    UIMessageChunk,
)
from ..errors import ProtocolError
from ..messages import UIMessage
from ..predicates import response_message_id
from ..reducer import MessageReducer
from .block_ids import BlockIds, SourceIds
from .reply_order import ReplyOrder
from .reply_writer import ReplyWriter, StreamOutcome

__all__ = ["Execute", "MessageStream", "StreamEnd", "StreamOutcome", "StreamStepEnd"]

_T = TypeVar("_T")
Execute: TypeAlias = Callable[[ReplyWriter], Awaitable[object]]
MASKED_ERROR_TEXT = "An error occurred."
"""What a client is told of an application's error unless `on_error` says more."""

MAX_PENDING = 1_000
"""Chunks that wait for a slow reader before merged streams are read no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStepEnd:
    """The reply at the end of a step.

    Attributes:
        response_message: The reply so far.
        messages: The conversation with it in its place.
        is_continuation: The reply goes on with the last message.
    """

    response_message: UIMessage
    messages: Sequence[UIMessage]
    is_continuation: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd(StreamStepEnd):
    """How the stream ended.

    Attributes:
        outcome: `completed` if the writer said so, `failed`, `aborted`, else `unknown`.
        is_aborted: An `abort` chunk was written, or the writer said so.
        is_cancelled: The reader left before there was an outcome.
        finish_reason: The model's, if it gave one.
    """

    outcome: StreamOutcome
    is_aborted: bool
    is_cancelled: bool
    finish_reason: FinishReason | None = None


class MessageStream:
    """The chunks that `execute` writes: `async with MessageStream(...) as chunks`.

    A handler may give it as it is: the agent reads it and closes it (`aclose`) in one task.
    `execute` runs while the stream is read; leaving cancels it and every merged stream.

    Args:
        execute: Writes the reply.
        original_messages: The conversation so far; the reply goes on with a last message that is
            the assistant's.
        on_error: Gives the text that the client sees of an error.
        on_step_end: Called at each `finish-step`, before the chunk is passed on.
        on_end: Called once, at the end or when the reader leaves.
        new_id: Makes the id of a new message.
        ordered: Put chunks in legal order, end the reply, and keep ids of merged streams apart.
    """

    def __init__(
        self,
        execute: Execute,
        *,
        original_messages: Sequence[UIMessage] | None = None,
        on_error: Callable[[Exception], str] = lambda _: MASKED_ERROR_TEXT,
        on_step_end: Callable[[StreamStepEnd], object] | None = None,
        on_end: Callable[[StreamEnd], object] | None = None,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(12),
        ordered: bool = True,
    ) -> None:
        self._execute = execute
        self._originals = tuple(original_messages or ())
        self._on_error = on_error
        self._on_step_end = on_step_end
        self._on_end = on_end
        self._message_id = response_message_id(self._originals, new_id()) or ""
        last = self._originals[-1] if self._originals else None
        self._continued = last if last is not None and last.role == "assistant" else None
        self._order = ReplyOrder(self._message_id, continued=self._continued) if ordered else None
        self._last = Finish()
        self._ids = BlockIds()
        self._own_ids = self._ids.source()
        self._fold: MessageReducer | None = None
        if on_end is not None or on_step_end is not None:
            self._fold = MessageReducer(self._continued, message_id=self._message_id)
        self._pending: deque[UIMessageChunk] = deque()
        self._changed = anyio.Event()
        self._drained = anyio.Event()
        self._group: TaskGroup | None = None
        self._working = 0
        self._outcome: StreamOutcome = "unknown"
        self._is_aborted = False
        self._is_over = False

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> UIMessageChunk:
        """Give the next chunk.

        Raises:
            RemoteProtocolError: If a callback needs the message and the order is illegal.
        """
        if self._is_over:
            raise StopAsyncIteration
        await self._open()
        while not self._pending:
            if self._working == 0:
                await self._end()
                raise StopAsyncIteration
            self._changed = anyio.Event()
            await self._changed.wait()
        chunk = self._pending.popleft()
        if not self._pending:
            self._drained.set()
        try:
            return await self._observed(chunk)
        except ProtocolError:
            self._outcome = "failed"
            await self._end()
            raise

    async def aclose(self) -> None:
        """Stop reading: cancel what still writes, and call `on_end` if the end was not reached."""
        if not self._is_over:
            await self._end(cancelled=True)

    async def _open(self) -> None:
        if self._group is None and not self._is_over:
            group = anyio.create_task_group()
            self._group = await group.__aenter__()
            self._spawn(self._run_execute)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def put(self, chunk: UIMessageChunk, source: SourceIds | None = None) -> None:
        """Take a chunk from the writer or a merged stream."""
        if self._is_over:
            return
        if self._order is None:
            self._pending.append(chunk)
        elif source is not None and isinstance(chunk, Start | Finish):
            # A merged stream does not begin or end the reply; what it tells of it is kept.
            if isinstance(chunk, Finish) and chunk.finish_reason is not ABSENT:
                self._last = Finish(finish_reason=chunk.finish_reason)
            told = Start(message_metadata=chunk.message_metadata)
            self._pending.extend(self._order.admit(told))
        else:
            ids = source or self._own_ids
            self._pending.extend(self._order.admit(ids.rename(chunk)))
        self._changed.set()

    def add(self, chunks: AsyncIterator[UIMessageChunk]) -> None:
        """Read `chunks` into the reply from now on; close it at the end."""
        if not self._is_over:
            source = self._ids.source()
            self._spawn(lambda: self._pump(chunks, source))

    def tell(self, error: Exception) -> str:
        """Give the text that the client sees of an error."""
        return self._on_error(error)

    def decide(self, outcome: StreamOutcome) -> None:
        """Say how the reply ended: the first word counts, until something fails."""
        if self._outcome == "unknown":
            self._outcome = outcome

    async def _run_execute(self) -> None:
        await self._execute(ReplyWriter(self))

    async def _pump(self, chunks: AsyncIterator[UIMessageChunk], source: SourceIds) -> None:
        try:
            async for chunk in chunks:
                self.put(chunk, source)
                while len(self._pending) >= MAX_PENDING:
                    if self._drained.is_set():
                        self._drained = anyio.Event()
                    await self._drained.wait()
        finally:
            if isinstance(chunks, AsyncGenerator):
                with anyio.CancelScope(shield=True):
                    await chunks.aclose()

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        assert self._group is not None
        self._working += 1
        self._group.start_soon(self._guarded, work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # the application's code: it becomes a chunk
            self._outcome = "failed"
            self._put_error(error)
        finally:
            self._working -= 1
            if self._working == 0 and self._order is not None and not self._is_over:
                self._pending.extend(self._order.close(self._last))
            self._changed.set()

    def _put_error(self, error: Exception) -> None:
        if self._order is None or not self._order.ended:
            self.put(Error(error_text=self._on_error(error)))

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _observed(self, chunk: UIMessageChunk) -> UIMessageChunk:
        if isinstance(chunk, Start) and chunk.message_id is ABSENT:
            chunk = Start(
                message_id=self._message_id,
                message_metadata=chunk.message_metadata,
                extra=chunk.extra,
            )
        if isinstance(chunk, Abort):
            self._is_aborted = True
        if self._fold is None:
            return chunk
        self._fold.feed(chunk)
        if isinstance(chunk, Error):
            self._on_error(RuntimeError(chunk.error_text))
        if isinstance(chunk, FinishStep) and self._on_step_end is not None:
            try:
                await _call(self._on_step_end, StreamStepEnd(**self._result()))
            except Exception as error:  # noqa: BLE001  # a callback must not break the reply
                self._on_error(error)
        return chunk

    async def _end(self, *, cancelled: bool = False) -> None:
        self._is_over = True
        self._pending.clear()
        if self._group is not None:
            group, self._group = self._group, None
            group.cancel_scope.cancel()
            await group.__aexit__(None, None, None)
        if self._on_end is not None and self._fold is not None:
            outcome = self._outcome
            if outcome == "unknown" and self._is_aborted:
                outcome = "aborted"
            end = StreamEnd(
                **self._result(),
                outcome=outcome,
                is_aborted=self._is_aborted or outcome == "aborted",
                is_cancelled=cancelled and outcome == "unknown",
                finish_reason=self._fold.finish_reason,
            )
            with anyio.CancelScope(shield=True):
                await _call(self._on_end, end)

    def _result(self) -> _Result:
        assert self._fold is not None
        message = self._fold.message
        continued = self._continued
        is_continuation = continued is not None and continued.id == message.id
        kept = self._originals[:-1] if is_continuation else self._originals
        return {
            "response_message": message,
            "messages": (*kept, message),
            "is_continuation": is_continuation,
        }


class _Result(TypedDict):
    response_message: UIMessage
    messages: Sequence[UIMessage]
    is_continuation: bool


async def _call(callback: Callable[[_T], object], value: _T) -> None:
    result = callback(value)
    if inspect.isawaitable(result):
        await result
