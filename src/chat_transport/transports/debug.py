"""Wraps any transport and shows what passes: each call, and each chunk with its time and size.

Rule: it changes nothing and holds nothing back; of headers and extra fields it shows the names
alone, of a chunk its type, its id and its size. What was said is shown only if asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from ..chunks import UIMessageChunk
from ..codecs.ui_stream import encode_chunk
from ..inputs import Reconnect, SendMessages
from ..messages import UIMessage
from ..transport import (
    AgentPresence,
    Capabilities,
    ChatChange,
    ChatTransport,
    ChunkStream,
    History,
    RunSeen,
)

__all__ = ["DebugChatTransport", "Passed"]

PREVIEW_CHARS = 60
"""Characters of a chunk's JSON that are shown, if anything said is shown at all."""
_log = logging.getLogger("chat_transport.debug")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One thing that passed the wire. `str()` gives it as a line.

    Attributes:
        elapsed_s: Seconds since the call that it belongs to.
        chat_id: The chat.
        direction: `>` asked by the client, `<` said by the agent, `!` an error.
        name: The call's or the chunk's name.
        size_bytes: Of the chunk as JSON; 0 for calls.
        detail: Ids, names and counts; the start of the JSON if that was asked for.
    """

    elapsed_s: float
    chat_id: str
    direction: str
    name: str
    size_bytes: int = 0
    detail: str = ""

    def __str__(self) -> str:
        size = f"{self.size_bytes} B" if self.size_bytes else ""
        at = f"{self.elapsed_s * 1000:9.1f} ms"
        return (
            f"{at} {self.chat_id} {self.direction} {self.name:<22} {size:>8} {self.detail}".rstrip()
        )


class DebugChatTransport(ChatTransport):
    """Shows what passes through `inner`, which it enters and leaves with itself.

    Args:
        inner: The transport that does the work.
        show: Called with each thing that passes; None logs lines at DEBUG to
            `chat_transport.debug`. It must not raise.
        shows_text: Show the start of what is said, too. Off: it may be private.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        inner: ChatTransport,
        *,
        show: Callable[[Passed], None] | None = None,
        shows_text: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._inner = inner
        self._screen = _Screen(show or _to_log, shows_text, clock)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the inner transport."""
        return self._inner.capabilities

    async def __aenter__(self) -> Self:
        """Open the inner transport."""
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the inner transport."""
        await self._inner.__aexit__(exc_type, exc, traceback)

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        """Send through the inner transport."""
        detail = f"{request.trigger} messages={len(request.messages)}{_names(request)}"
        call = _Call(self._screen, request.chat_id, "send_messages", detail)
        with call:
            async with self._inner.send_messages(request) as stream:
                yield _ShownStream(stream, call)

    @asynccontextmanager
    async def reconnect_to_stream(
        self, request: Reconnect
    ) -> AsyncGenerator[ChunkStream | None, None]:
        """Reconnect through the inner transport."""
        call = _Call(self._screen, request.chat_id, "reconnect_to_stream", _names(request).strip())
        with call:
            async with self._inner.reconnect_to_stream(request) as stream:
                if stream is None:
                    call.show("<", "no active run")
                yield _ShownStream(stream, call) if stream is not None else None

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Stop through the inner transport."""
        with _Call(self._screen, chat_id, "stop", f"run={run_id}" if run_id else ""):
            await self._inner.stop(chat_id, run_id)

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        """Load through the inner transport."""
        with _Call(self._screen, chat_id, "load_history", f"limit={limit}") as call:
            history = await self._inner.load_history(chat_id, limit=limit, before=before)
            found = f"messages={len(history.messages)} older={history.has_older}"
            call.show("<", "history", detail=found)
            return history

    async def catch_up(self, chat_id: str, messages: Sequence[UIMessage]) -> History:
        """Catch up through the inner transport."""
        with _Call(self._screen, chat_id, "catch_up", f"messages={len(messages)}") as call:
            history = await self._inner.catch_up(chat_id, messages)
            call.show("<", "history", detail=f"messages={len(history.messages)}")
            return history

    @asynccontextmanager
    async def _observe(self, chat_id: str) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        call = _Call(self._screen, chat_id, "observe", "")
        with call:
            async with self._inner.observe(chat_id) as changes:
                yield _Shown(changes, call)

    def observe(self, chat_id: str) -> AbstractAsyncContextManager[AsyncIterator[ChatChange]]:
        """Observe through the inner transport."""
        return self._observe(chat_id)

    @asynccontextmanager
    async def _presence(self, chat_id: str) -> AsyncGenerator[AsyncIterator[AgentPresence], None]:
        call = _Call(self._screen, chat_id, "agent_presence", "")
        with call:
            async with self._inner.agent_presence(chat_id) as states:
                yield _Shown(states, call)

    def agent_presence(
        self, chat_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[AgentPresence]]:
        """Watch presence through the inner transport."""
        return self._presence(chat_id)


@dataclass(frozen=True, slots=True)
class _Screen:
    show: Callable[[Passed], None]
    shows_text: bool
    clock: Callable[[], float]


class _Call:
    """One call and what comes of it; as a block it shows its beginning and its end."""

    def __init__(self, screen: _Screen, chat_id: str, name: str, detail: str) -> None:
        self._screen = screen
        self._chat_id = chat_id
        self._name = name
        self._detail = detail
        self._started_s = screen.clock()

    def __enter__(self) -> Self:
        self.show(">", self._name, detail=self._detail)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, Exception):
            self.show_error(exc)
        self.show(">", f"left {self._name}")

    def show(self, direction: str, name: str, *, size_bytes: int = 0, detail: str = "") -> None:
        screen = self._screen
        screen.show(
            Passed(
                elapsed_s=screen.clock() - self._started_s,
                chat_id=self._chat_id,
                direction=direction,
                name=name,
                size_bytes=size_bytes,
                detail=detail,
            )
        )

    def show_error(self, error: Exception) -> None:
        self.show("!", type(error).__name__, detail=str(error))

    def show_chunk(self, chunk: UIMessageChunk) -> None:
        encoded = encode_chunk(chunk)
        detail = str(getattr(chunk, "tool_call_id", None) or getattr(chunk, "id", None) or "")
        if self._screen.shows_text:
            detail = encoded.decode()[:PREVIEW_CHARS]
        self.show("<", chunk.type, size_bytes=len(encoded), detail=detail)


class _ShownStream(ChunkStream):
    def __init__(self, inner: ChunkStream, call: _Call) -> None:
        self._inner = inner
        self._call = call
        self.run_id = inner.run_id

    async def __anext__(self) -> UIMessageChunk:
        try:
            chunk = await self._inner.__anext__()
        except StopAsyncIteration:
            self._call.show("<", "end of stream")
            raise
        except Exception as error:
            self._call.show_error(error)
            raise
        self._call.show_chunk(chunk)
        return chunk

    async def drain(self) -> Sequence[UIMessageChunk]:
        try:
            chunks = await self._inner.drain()
        except Exception as error:
            self._call.show_error(error)
            raise
        for chunk in chunks:
            self._call.show_chunk(chunk)
        if not chunks:
            self._call.show("<", "end of stream")
        return chunks


_Item = TypeVar("_Item", bound=ChatChange | AgentPresence)


class _Shown(AsyncIterator[_Item]):
    def __init__(self, items: AsyncIterator[_Item], call: _Call) -> None:
        self._items = items
        self._call = call

    async def __anext__(self) -> _Item:
        item = await self._items.__anext__()
        match item:
            case AgentPresence():
                self._call.show("<", "presence", detail=item.status)
            case RunSeen():
                self._call.show("<", "RunSeen", detail=item.run_id)
            case _:
                self._call.show("<", type(item).__name__)
        return item


def _names(request: SendMessages | Reconnect) -> str:
    """Name headers and extra fields; their values may be secrets."""
    headers = f" headers={sorted(request.headers)}" if request.headers else ""
    body = f" body={sorted(request.body)}" if request.body else ""
    return headers + body


def _to_log(passed: Passed) -> None:
    _log.debug("%s", passed)
