"""Serve an ASGI application on a port until a signal ends the command.

Rule: the `ready` line is printed when a client may connect, not before; a signal lets what runs
end, then closes the port.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskStatus

from .._tasks import open_task_group
from ..broker.serving import bind_port
from ..errors import TransportError
from ._failure import CommandFailed

__all__ = ["announce", "bind", "run_until_signal", "serve_app"]

GRACE_S = 2
"""Seconds that requests have to end after a signal; streams of replies end with their runs."""


def announce(address: str) -> None:
    """Print the line that scripts wait for."""
    print(f"ready {address}", flush=True)


def bind(host: str, port: int) -> socket.socket:
    """Give a listening socket; port 0 lets the system choose.

    Raises:
        CommandFailed: If the port is taken or not permitted.
    """
    if not 0 <= port <= 65535:
        raise CommandFailed(f"unable to listen on port {port}; ports go from 0 to 65535")
    try:
        return bind_port(host, port)
    except (TransportError, OSError) as error:
        raise CommandFailed(f"{error}; choose another with --port") from error


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the command and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.decided = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn ends the process where its application does not start
            self.should_exit = True
        finally:
            self.decided.set()


@asynccontextmanager
async def serve_app(app: Any, listener: socket.socket) -> AsyncGenerator[str, None]:
    """Serve while the block runs; gives the address.

    Args:
        app: An ASGI application; its lifespan runs here.
        listener: From `bind`; closed with the block.

    Raises:
        CommandFailed: If the application did not start.
    """
    refused: list[str] = []

    async def listened(scope: Any, receive: Any, send: Any) -> None:
        """Hear why the application does not start: uvicorn would only log it."""

        async def hearing(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed":
                refused.append(message.get("message", ""))
            await send(message)

        await app(scope, receive, hearing if scope["type"] == "lifespan" else send)

    config = uvicorn.Config(
        listened,
        lifespan="on",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    host, port = listener.getsockname()[:2]
    async with open_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        await server.decided.wait()
        try:
            if not server.started:
                why = "".join(refused)
                raise CommandFailed(why or "unable to start; the application failed to start")
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            server.should_exit = True


async def run_until_signal(serve: Callable[[anyio.Event], Awaitable[None]]) -> None:
    """Run `serve` with an event that SIGINT or SIGTERM sets; a second signal cancels it."""
    stopping = anyio.Event()

    async def watch(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                if stopping.is_set():
                    tasks.cancel_scope.cancel()
                stopping.set()

    async with open_task_group() as tasks:
        await tasks.start(watch)
        await serve(stopping)
        tasks.cancel_scope.cancel()
