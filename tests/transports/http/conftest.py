"""A real server in a thread of its own, so that clients on any event loop can talk to it."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn

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

_spec = importlib.util.spec_from_file_location("servers", Path(__file__).parents[2] / "servers.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
RedisServer, find_redis = _module.RedisServer, _module.find_redis


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


@contextmanager
def _served(app: object) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[[object], str]]:
    """Start a server for an application and give its URL."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(_served(app))


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


@pytest.fixture(scope="session")
def redis_program() -> str:
    program = find_redis()
    if program is None:
        pytest.skip("redis-server is neither installed nor installable (apt-get as root) here")
    return program


@pytest.fixture
def redis_server(redis_program: str) -> Iterator[RedisServer]:
    server = RedisServer(redis_program)
    server.start()
    yield server
    server.kill()
