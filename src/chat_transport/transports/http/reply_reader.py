"""Reading one reply to its end, across as many connections as it takes.

Rule: each chunk is given once, and the prompt is sent once. A body that stops early is not a reply.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import anyio

from ..._chunk_log import ChunkLog
from ...chunks import UIMessageChunk, is_terminal
from ...codecs.sse import SseDecoder, SseEvent
from ...codecs.ui_stream import decode_chunk
from ...errors import ChatTransportError, ConnectFailed, RequestRejected, StreamInterrupted
from .reply_place import next_place

__all__ = ["Body", "Place", "ReconnectPolicy", "ReplyReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectPolicy:
    """How a reply is taken up again after a network fault.

    Attributes:
        attempts: Connections tried without getting a new chunk; then `StreamInterrupted`. None
            counts none.
        timeout_s: Seconds for which they are tried at most; None leaves it to `attempts`.
        first_s: Seconds before the second attempt (the first is made at once); doubles each time.
        longest_s: Seconds that a wait grows to at most. Each wait is shortened by chance.
    """

    attempts: int | None = 6
    timeout_s: float | None = None
    first_s: float = 0.25
    longest_s: float = 8.0

    def delay_s(self, attempt: int) -> float:
        """Give the seconds to wait before `attempt`, counted from 0."""
        if attempt == 0:
            return 0.0
        full: float = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 64))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, hides nothing

    def allows(self, attempt: int, since: float) -> bool:
        """Whether to try again, after so many attempts since that time of the event loop."""
        if self.attempts is not None and attempt >= self.attempts:
            return False
        return self.timeout_s is None or anyio.current_time() - since < self.timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a run reading stopped.

    Attributes:
        run_id: None if the server did not name the run.
        next: The place after what was seen, in the server's words; None if it does not say.
    """

    run_id: str | None
    next: str | None


class Body(Protocol):
    """An open answer."""

    run_id: str | None
    counts: bool
    """The server names places in the run and continues from one."""

    async def read(self) -> bytes:
        """Give the next bytes; empty at the end.

        Raises:
            StreamInterrupted: If the connection broke.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


Reopen: TypeAlias = Callable[[Place], Awaitable[Body | None]]


class ReplyReader:
    """Moves the chunks of one reply from its connections into a log.

    Args:
        body: The first connection.
        reopen: Connects again; gives None if nothing is there to resume. None: never try.
        policy: How often and how fast.
        place: Where the first connection begins; None if that is only known from its first event.
    """

    def __init__(
        self,
        body: Body,
        reopen: Reopen | None,
        policy: ReconnectPolicy,
        *,
        place: str | None = "0",
    ) -> None:
        self.log = ChunkLog(body.run_id)
        self._body = body
        self._reopen = reopen
        self._policy = policy
        self._events = SseDecoder()
        self._place = place
        self._last_id = ""
        self._skip = 0
        self._complete = False

    async def pump(self) -> None:
        """Read until the reply is complete; every fault ends up in the log."""
        try:
            await self._read_all()
        except ChatTransportError as error:
            self.log.close(error)
        else:
            self.log.close()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await self._body.close()

    async def _read_all(self) -> None:
        failures, since = 0, None
        while True:
            before = len(self.log)
            try:
                await self._read_body()
            except StreamInterrupted as error:
                fault = error
            else:
                if self._complete:
                    return
                fault = StreamInterrupted("the reply stopped before its terminal chunk")
            if self._complete:
                return
            if since is None or len(self.log) > before:
                failures, since = 0, anyio.current_time()
            failures = await self._reconnect(fault, failures, since)

    async def _read_body(self) -> None:
        while data := await self._body.read():
            chunks = self._decode(data)
            if chunks:
                self.log.extend(chunks)

    def _decode(self, data: bytes) -> list[UIMessageChunk]:
        chunks: list[UIMessageChunk] = []
        try:
            for event in self._events.feed(data):
                if event.data == "[DONE]":
                    self._complete = True
                    continue
                chunk = decode_chunk(event.data)
                self._place = self._place_after(event)
                if self._skip:
                    self._check_replay(chunk, chunks)
                else:
                    chunks.append(chunk)
                if is_terminal(chunk):
                    self._complete = True
        except ChatTransportError:
            self.log.extend(chunks)
            raise
        return chunks

    def _place_after(self, event: SseEvent) -> str | None:
        """An id names the place after its event; events without one of their own count one."""
        if event.id != self._last_id:
            self._last_id = event.id
            return event.id
        return next_place(self._place)

    def _check_replay(self, chunk: UIMessageChunk, chunks: Sequence[UIMessageChunk]) -> None:
        """Let pass what was seen before, of a server that starts over."""
        seen = self.log.since(len(self.log) - self._skip)[0]
        if chunk != seen:
            raise StreamInterrupted(
                "unable to go on after a lost connection; the server repeats the reply differently",
                resumable=True,
            )
        self._skip -= 1

    async def _reconnect(self, fault: StreamInterrupted, failures: int, since: float) -> int:
        """Open the next connection. Gives how many attempts went without a new chunk."""
        if self._reopen is None:
            raise StreamInterrupted(str(fault), resumable=fault.resumable) from fault
        cause: Exception = fault
        while self._policy.allows(failures, since):
            await anyio.sleep(self._policy.delay_s(failures))
            failures += 1
            await self._body.close()
            place = self._place if self._body.counts else None
            try:
                body = await self._reopen(Place(run_id=self.log.run_id, next=place))
            except (ConnectFailed, StreamInterrupted) as error:
                cause = error
                continue
            except RequestRejected as error:
                if error.status is not None and error.status >= 500:
                    cause = error
                    continue
                raise StreamInterrupted(f"{fault}; unable to resume: {error}") from error
            if body is None:
                raise StreamInterrupted(f"{fault}; the server has nothing to resume") from fault
            self._adopt(body)
            return failures
        raise StreamInterrupted(
            f"{fault}; gave up after {failures} attempts", resumable=True
        ) from cause

    def _adopt(self, body: Body) -> None:
        self._events = SseDecoder()
        self._last_id = ""
        if not (body.counts and self._body.counts and self._place is not None):
            self._skip = len(self.log)
            self._place = None
        self._body = body
