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
from ...chunks import UIMessageChunk
from ...codecs.ui_stream import DONE, KEEP_ALIVE, STREAM_OPEN
from ...errors import StreamInterrupted
from .exchange import Receive, Send

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
        keep_alive_s: Seconds of silence before a comment; None for never.
        coalesce_s: Seconds to gather chunks before writing; 0 writes at once.
        cursor: Let the reader count by `id` lines: our own client asks for it, and knows all.
    """

    encode: EncodeChunk
    interrupted: UIMessageChunk
    on_interrupted: Callable[[], Awaitable[None]]
    admit: Admit | None = None
    keep_alive_s: float | None = 15.0
    coalesce_s: float = 0.0
    cursor: bool = False


class SseBody:
    """One client's reading of one run.

    Args:
        log: The run's chunks.
        form: How to write them.
        start: The first chunk to send.
        exact: Each chunk as it was said; else a reader that is behind gets deltas joined.
    """

    def __init__(
        self, log: ChunkLog, form: SseFormat, *, start: int = 0, exact: bool = False
    ) -> None:
        self._stream = log.stream(start, snapshot=not exact)
        self._form = form
        self._counted = False
        self._quiet = True
        self._sending = False
        self._ticking: anyio.Event | None = None

    async def serve(self, headers: Mapping[str, str], receive: Receive, send: Send) -> bool:
        """Send head and body. Gives False if the client left before the end."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": STREAM_OPEN, "more_body": True})
        delivered = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_left, receive, tasks.cancel_scope)
            if self._form.keep_alive_s is not None:
                tasks.start_soon(self._keep_alive, send, self._form.keep_alive_s)
            try:
                await self._write(send)
                delivered = True
            except OSError:  # some servers raise when they write to a client that left
                delivered = False
            tasks.cancel_scope.cancel()
        return delivered

    async def _write(self, send: Send) -> None:
        stream, coalesce_s = self._stream, self._form.coalesce_s
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
            if self._form.cursor:
                body = self._render_counted(chunks, before, stream.position)
            else:
                body = self._render(chunks)
            del chunks  # a snapshot would be kept for as long as its reader waits
            await self._send(send, body)
            del body
            if coalesce_s:
                await anyio.sleep(coalesce_s)
        if self._ticking is not None:
            await self._ticking.wait()
        await send({"type": "http.response.body", "body": DONE, "more_body": False})

    def _render(self, chunks: Sequence[UIMessageChunk]) -> bytes:
        form = self._form
        if form.admit is not None:
            admitted = map(form.admit, chunks)
            chunks = [chunk for chunk in admitted if chunk is not None]
        return b"".join(map(form.encode, chunks))

    def _render_counted(self, chunks: Sequence[UIMessageChunk], before: int, after: int) -> bytes:
        """Say by `id` lines how many chunks of the run were given after an event.

        Events without one count one each; `-` stops counting until the next number.
        """
        form = self._form
        pieces = [form.encode(chunk) for chunk in chunks]
        if after - before != len(chunks):  # joined deltas
            pieces[0] = b"id: -\n" + pieces[0]
            pieces[-1] = b"id: %d\n" % after + pieces[-1].removeprefix(b"id: -\n")
        elif not self._counted:
            pieces[0] = b"id: %d\n" % (before + 1) + pieces[0]
        self._counted = True
        return b"".join(pieces)

    async def _send(self, send: Send, body: bytes) -> None:
        if self._ticking is not None:
            await self._ticking.wait()
        if not body:
            return
        self._quiet = False
        self._sending = True
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._sending = False

    async def _keep_alive(self, send: Send, every_s: float) -> None:
        """Say something when nothing was said for a while; skip a reader that does not read."""
        while True:
            await anyio.sleep(every_s)
            if self._quiet and not self._sending:
                self._ticking = anyio.Event()
                try:
                    await send(
                        {"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True}
                    )
                except OSError:
                    return
                finally:
                    self._ticking.set()
                    self._ticking = None
            self._quiet = True


async def _until_left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
