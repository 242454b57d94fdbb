"""Servers in threads of their own, so that clients on any event loop can talk to them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import anyio
import pytest
from server_thread import serve_in_thread

from chat_transport.agent.run import Run
from chat_transport.chunks import (
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)


class Gate:
    """A door between two threads: the handler waits, the test opens."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def open(self) -> None:
        self._event.set()

    async def passed(self, timeout_s: float = 10) -> None:
        opened = await anyio.to_thread.run_sync(self._event.wait, timeout_s, abandon_on_cancel=True)
        assert opened, "the gate was never opened"


async def speak(text: str, *, part_id: str = "t") -> AsyncIterator[UIMessageChunk]:
    """One step that says `text` word by word."""
    yield StartStep()
    yield TextStart(id=part_id)
    for word in text.split(" "):
        yield TextDelta(id=part_id, delta=word + " ")
    yield TextEnd(id=part_id)
    yield FinishStep()
    yield Finish(finish_reason="stop")


async def echo(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Say back what the user said."""
    async for chunk in speak(run.messages[-1].text):
        yield chunk


@pytest.fixture
def serve() -> Iterator[Callable[[object], str]]:
    """Start a server for an application and give its URL."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serve_in_thread(app))


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def handlers() -> type:
    class Handlers:
        echo = staticmethod(echo)
        speak = staticmethod(speak)

    return Handlers


@pytest.fixture
def new_gate() -> Callable[[], Gate]:
    return Gate
