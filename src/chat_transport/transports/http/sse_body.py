"""The body of an SSE answer: chunks that are ready go out together, silence is filled by comments.

Rule: the head and a comment leave at once; nothing is buffered here: a reader that is slow gets
what has gathered in one compacted piece. A client that leaves does not stop the run.
Source: AI SDK 7.0.173 `createUIMessageStreamResponse` with `keepAliveMs`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import anyio

from ..._chunk_log import ChunkLog
from ...chunks import ABSENT, TextDelta, UIMessageChunk
from ...codecs.retold import retold
from ...codecs.ui_stream import DONE, KEEP_ALIVE, STREAM_OPEN
from ...errors import StreamInterrupted
from ...messages import UIMessage
from .exchange import Receive, Send
from .gather_clock import GatherClock
from .keep_alive import KeepAlive
from .reply_place import RETOLD, ReplyPlace, joined_name, rest_of_joined

__all__ = ["SseBody", "SseFormat"]

EncodeChunk: TypeAlias = Callable[[UIMessageChunk], bytes]
Admit: TypeAlias = Callable[[UIMessageChunk], UIMessageChunk | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SseFormat:
    """How chunks are written for one client.

    Attributes:
        encode: A chunk as a whole SSE event.
        admit: Drops or maps what the client's version does not know; None if it knows all.
        interrupted: What ends the stream if the run's writer died.
        on_interrupted: Awaited before that is said.
        gather: Ends the windows in which chunks are gathered after each write; None writes at once.
        cursor: Let the reader count by `id` lines: our own client asks for it, and knows all.
    """

    encode: EncodeChunk
    interrupted: UIMessageChunk
    on_interrupted: Callable[[], Awaitable[None]]
    admit: Admit | None = None
    gather: GatherClock | None = None
    cursor: bool = False


class SseBody:
    """One client's reading of one run.

    Args:
        log: The run's chunks.
        form: How to write them.
        keep_alive: Fills its silence.
        place: Where the reader goes on, and gets each chunk as it was said; None: from the start,
            with deltas joined where it is behind.
        before: What the reply had before the run; None if the reader has it.
    """

    def __init__(
        self,
        log: ChunkLog,
        form: SseFormat,
        keep_alive: KeepAlive,
        *,
        place: ReplyPlace | None = None,
        before: UIMessage | None = None,
    ) -> None:
        self._log = log
        self._place = place or ReplyPlace()
        # What is retold says `start` itself.
        self._before = before if place is None or place.is_retold else None
        start = 0 if self._place.is_retold else self._place.given
        if self._before is not None:
            start = 1
        elif self._place.joined is not None:
            start = self._place.joined[1]
        self._stream = log.stream(start, snapshot=place is None or place.is_retold)
        self._form = form
        self._counted = not form.cursor  # or need not be
        self._keep_alive = keep_alive
        self._send_message: Send | None = None
        self._delivered = False
        self._sending = False
        self._commenting: anyio.Event | None = None
        self.silent_looks = 0

    async def serve(self, headers: Mapping[str, str], receive: Receive, send: Send) -> bool:
        """Send head and body. Gives False if the client left before the end."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": STREAM_OPEN, "more_body": True})
        self._send_message = send
        async with anyio.create_task_group() as tasks:
            # The writer has a task of its own: each word resumes every call that it waits inside.
            tasks.start_soon(self._deliver, send, tasks.cancel_scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()
        return self._delivered

    async def say_something(self) -> None:
        """Send a comment, unless something is being sent: then the client does not read."""
        send = self._send_message
        if self._sending or self._commenting is not None or send is None:
            return
        self._commenting = anyio.Event()
        try:
            await send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
        except OSError:
            return  # the client left; whoever writes next is told as well
        finally:
            self._commenting.set()
            self._commenting = None

    async def _deliver(self, send: Send, scope: anyio.CancelScope) -> None:
        self._keep_alive.watch(self)
        try:
            await self._write(send)
            self._delivered = True
        except OSError:  # some servers raise when they write to a client that left
            self._delivered = False
        finally:
            self._keep_alive.forget(self)
        scope.cancel()

    async def _write(self, send: Send) -> None:
        stream, gather = self._stream, self._form.gather
        await self._catch_up(send)
        while True:
            before = stream.position
            try:
                chunks = await stream.drain()
            except StreamInterrupted:
                await self._form.on_interrupted()
                await self._send(send, self._form.encode(self._form.interrupted))
                break
            if not chunks:
                break
            body = self._render(chunks, before)
            del chunks  # a snapshot would be kept for as long as its reader waits
            if (
                self._commenting is None and body
            ):  # as `_send` does, without one more call to wait in
                self.silent_looks = 0
                self._sending = True
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self._sending = False
            else:
                await self._send(send, body)
            del body
            if gather is not None:
                await gather.wait()
        await self._until_said()
        self._sending = True
        await send({"type": "http.response.body", "body": DONE, "more_body": False})

    async def _catch_up(self, send: Send) -> None:
        """Say the rest of what is not a place in the log."""
        given = self._place.given
        if self._before is not None:
            chunks: Sequence[UIMessageChunk] = tuple(retold(self._before))[given:]
            name, after = RETOLD, 1
            self._before = None
        elif self._place.joined is not None:
            first, after = self._place.joined
            chunks = await rest_of_joined(self._log, first, after, given)
            name = joined_name(first, after)
        else:
            return
        if self._form.cursor:
            body = self._render_named(chunks, f"{name}.{given + 1}", after)
        else:
            body = self._render_known(chunks)
        await self._send(send, body)

    def _render_named(self, chunks: Sequence[UIMessageChunk], first: str, after: int) -> bytes:
        """Name the places after the first of these chunks and after the last."""
        pieces = [self._form.encode(chunk) for chunk in chunks]
        if len(pieces) > 1:
            pieces[0] = b"id: %s\n" % first.encode() + pieces[0]
        if pieces:
            pieces[-1] = b"id: %d\n" % after + pieces[-1]
        return b"".join(pieces)

    def _render(self, chunks: Sequence[UIMessageChunk], before: int) -> bytes:
        """Write chunks that were read from number `before` on."""
        form, chunk = self._form, chunks[0]
        if (
            len(chunks) == 1
            and type(chunk) is TextDelta  # nearly all chunks there are; every client knows it
            and chunk.extra is ABSENT
            and self._counted
            and self._stream.position == before + 1
        ):
            return form.encode(chunk)
        if form.cursor:
            return self._render_counted(chunks, before, self._stream.position)
        return self._render_known(chunks)

    def _render_known(self, chunks: Sequence[UIMessageChunk]) -> bytes:
        form = self._form
        if form.admit is not None:
            admitted = map(form.admit, chunks)
            chunks = [chunk for chunk in admitted if chunk is not None]
        return b"".join(map(form.encode, chunks))

    def _render_counted(self, chunks: Sequence[UIMessageChunk], before: int, after: int) -> bytes:
        """Say by `id` lines how many chunks of the run were given after an event."""
        form = self._form
        if after - before != len(chunks):  # joined deltas
            self._counted = bool(chunks)
            return self._render_named(chunks, f"{joined_name(before, after)}.1", after)
        pieces = [form.encode(chunk) for chunk in chunks]
        if not self._counted:
            pieces[0] = b"id: %d\n" % (before + 1) + pieces[0]
            self._counted = True
        return b"".join(pieces)

    async def _until_said(self) -> None:
        if self._commenting is not None:
            await self._commenting.wait()

    async def _send(self, send: Send, body: bytes) -> None:
        if self._commenting is not None:
            await self._until_said()
        if not body:
            return
        self.silent_looks = 0
        self._sending = True
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._sending = False
