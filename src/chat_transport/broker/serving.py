"""Serve a broker from Python: inside the caller's event loop, on a port that the system chooses.

Rule: whoever leaves the block has a closed port; the broker's state stays readable.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import uvicorn

from chat_transport.broker.broker import Broker
from chat_transport.broker.server import create_app
from chat_transport.errors import TransportError

__all__ = ["RunningBroker", "bind_port", "check_certificate", "serve_broker", "uvicorn_config"]

GRACE_S = 1


class RunningBroker:
    """A broker and where it listens."""

    def __init__(self, broker: Broker, host: str, port: int, *, tls: bool) -> None:
        self.broker = broker
        self.host = host
        self.port = port
        self.tls = tls

    @property
    def address(self) -> str:
        """`host:port`, as ably-js takes it in pieces."""
        return f"{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """What ably-python takes as `endpoint`: its trailing slash makes both planes work."""
        return f"{self.address}/"

    @property
    def url(self) -> str:
        """The base of REST calls."""
        return f"{'https' if self.tls else 'http'}://{self.address}"


def bind_port(host: str, port: int) -> socket.socket:
    """Give a listening socket.

    Raises:
        TransportError: If the port is taken or not permitted.
    """
    # With the protocol named, asyncio turns Nagle off; else each small frame may wait 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise TransportError(f"unable to listen on {host}:{port}; {error.strerror}") from error
    return listener


def uvicorn_config(broker: Broker, *, inspect: bool = False, **tls: Any) -> uvicorn.Config:
    """Give the server's settings: no compression (it halves the throughput on one machine)."""
    return uvicorn.Config(
        create_app(broker, inspect=inspect),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=2 * 1024 * 1024,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
        **tls,
    )


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the caller's process has its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def serve_broker(
    keys: Iterable[str] = ("app.key:secret",),
    *,
    broker: Broker | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    certificate: tuple[str, str] | None = None,
    inspect: bool = False,
    **settings: Any,
) -> AsyncGenerator[RunningBroker, None]:
    """Serve a broker while the block runs.

    Args:
        keys: API keys of the broker that is made; unused if one is given.
        broker: The broker to serve.
        host: Where to listen.
        port: Which port; 0 lets the system choose.
        certificate: Files of a certificate and its key (PEM), for TLS.
        inspect: Whether `/inspect` shows what passes.
        settings: Further arguments of `Broker`.

    Raises:
        TransportError: If the port is taken.
        ValueError: If the certificate or its key cannot be used.
    """
    if certificate is not None:
        check_certificate(*certificate)
    served = broker or Broker(keys, **settings)
    listener = bind_port(host, port)
    tls: dict[str, Any] = {}
    if certificate is not None:
        tls = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    server = _QuietServer(uvicorn_config(served, inspect=inspect, **tls))
    running = RunningBroker(served, host, listener.getsockname()[1], tls=bool(tls))
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_serve_to_the_end, server, listener)
        await server.listening.wait()
        try:
            yield running
        except Exception as error:  # noqa: BLE001 - let out bare, below: no group for one error
            failure = error
        finally:
            server.should_exit = True
    if failure is not None:
        raise failure


async def _serve_to_the_end(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until `should_exit`. A cancelled caller sets that too, and waits `GRACE_S` at most.

    uvicorn cannot be cancelled: it would leave its lifespan task to the event loop's end.
    """
    with anyio.CancelScope(shield=True):
        await server.serve([listener])


def check_certificate(certificate: str, key: str) -> None:
    """See that TLS can be served with these files.

    Raises:
        ValueError: If one is missing, is no PEM, or they do not belong together.
    """
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise ValueError(
            f"unable to use certificate {certificate!r} with key {key!r}; {error.strerror or error}"
        ) from error
