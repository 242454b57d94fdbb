from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import anyio
import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.codecs.ui_stream import decode_chunk
from chat_transport.transport import Capabilities, ChatTransport, History


class FakeTransport(ChatTransport):
    """Streams are logs that the test fills; everything asked is written down."""

    def __init__(self, **capabilities: Any) -> None:
        self._capabilities = Capabilities(**capabilities)
        self.requests: list[Any] = []
        self.logs: list[ChunkLog] = []
        self.stops: list[str | None] = []
        self.left: list[int] = []
        self.active: ChunkLog | None = None
        self.pages: dict[str | None, History] = {}
        self.changes: list[Any] = []
        self.error: Exception | None = None
        self.on_stop: Callable[[], None] = lambda: None
        self._changed = anyio.Event()

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @asynccontextmanager
    async def send_messages(self, request: Any) -> AsyncGenerator[Any, None]:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        number = len(self.logs)
        self.logs.append(ChunkLog(run_id=f"run-{number}"))
        self._tell()
        try:
            yield self.logs[number].stream()
        finally:
            self.left.append(number)

    @asynccontextmanager
    async def reconnect_to_stream(self, request: Any) -> AsyncGenerator[Any, None]:
        self.requests.append(request)
        yield None if self.active is None else self.active.stream()

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        self.stops.append(run_id)
        self.on_stop()

    async def load_history(self, chat_id: str, *, limit: int = 100, before: str | None = None):
        return self.pages[before]

    @asynccontextmanager
    async def observe(self, chat_id: str) -> AsyncGenerator[AsyncIterator[Any], None]:
        yield self._changes()

    async def _changes(self) -> AsyncIterator[Any]:
        while True:
            while self.changes:
                change = self.changes.pop(0)
                if isinstance(change, Exception):
                    raise change
                yield change
            await self._changed.wait()

    def show(self, change: Any) -> None:
        self.changes.append(change)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def next_log(self, number: int = 0) -> ChunkLog:
        """Wait until request `number` was made."""
        while len(self.logs) <= number:
            await self._changed.wait()
        return self.logs[number]


def say(log: ChunkLog, *chunks: dict[str, Any]) -> None:
    log.extend([decode_chunk(chunk) for chunk in chunks])


def text_chunks(text: str, message_id: str = "m") -> list[dict[str, Any]]:
    return [
        {"type": "start", "messageId": message_id},
        {"type": "start-step"},
        {"type": "text-start", "id": "t"},
        {"type": "text-delta", "id": "t", "delta": text},
        {"type": "text-end", "id": "t"},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "stop"},
    ]


@pytest.fixture
def fake_transport() -> type[FakeTransport]:
    return FakeTransport


@pytest.fixture
def say_chunks() -> Callable[..., None]:
    return say


@pytest.fixture
def text_reply() -> Callable[..., list[dict[str, Any]]]:
    return text_chunks
