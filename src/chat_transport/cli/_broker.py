"""`chat-transport broker`: the local Ably until a signal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio

from ..broker.broker import Broker
from ..broker.serving import check_certificate, serve_broker
from ..broker.settings import OPEN, Namespace
from ..errors import ChatTransportError
from ._failure import CommandFailed
from ._serving import announce

__all__ = ["serve"]


async def serve(
    keys: Sequence[str],
    namespaces: Sequence[Namespace],
    *,
    host: str,
    port: int,
    data: Path | None,
    certificate: tuple[str, str] | None,
    inspect: bool,
    stopping: anyio.Event,
) -> None:
    """Serve a broker until `stopping`.

    Raises:
        CommandFailed: If the port is taken, or the data file or the certificate cannot be used.
    """
    try:
        if certificate is not None:
            check_certificate(*certificate)
        broker = Broker(
            keys,
            namespaces=namespaces,
            undeclared=OPEN,
            data=str(data) if data is not None else None,
        )
    except (ValueError, OSError, ChatTransportError) as error:
        raise CommandFailed(str(error)) from error
    try:
        async with serve_broker(
            broker=broker, host=host, port=port, certificate=certificate, inspect=inspect
        ) as running:
            announce(running.url)
            await stopping.wait()
    except ChatTransportError as error:
        raise CommandFailed(f"{error}; choose another with --port") from error
    finally:
        broker.close()
