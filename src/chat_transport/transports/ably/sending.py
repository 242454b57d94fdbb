"""Sends one thing until it is acknowledged or refused.

Rule: what is sent this way may be sent twice without harm: publishes have an id, updates the whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from ...codecs.ably.operations import OutboundMessage
from ...errors import RequestRejected, TransportClosed, TransportError
from .refusals import is_rate_limit

__all__ = ["Link", "Outlet", "message_bytes", "surely"]

R = TypeVar("R")

PAUSE_S = 0.1
"""Seconds before the second try; each further pause is twice as long, up to `PAUSE_LIMIT_S`."""
PAUSE_LIMIT_S = 2.0
TRIES = 12
"""Times that one operation is tried while there is a connection: about 20 s."""


class Link(Protocol):
    """What a writer needs of a connection; `AblyConnection` is one."""

    in_flight: asyncio.Semaphore

    async def connected(self) -> None:
        """Wait until it is worth trying; raise if it never will be."""


class Outlet(Protocol):
    """What a writer needs of a channel; `AblyChannel` is one."""

    name: str

    @property
    def connection(self) -> Link:
        """The connection."""
        ...

    async def publish(self, messages: tuple[OutboundMessage, ...], ident: str) -> Sequence[str]:
        """Publish and give the serials."""
        ...

    async def change(
        self,
        action: Literal["append", "update"],
        message: OutboundMessage,
        serial: str,
        metadata: Mapping[str, str] | None = None,
    ) -> str | None:
        """Append or update."""
        ...


async def surely(
    link: Link, send: Callable[[], Awaitable[R]], *, give_up_s: float | None = None
) -> R:
    """Do it until it is acknowledged or refused. Sending twice must be harmless.

    Args:
        link: Waited for when there is no connection.
        send: One try.
        give_up_s: Seconds without a connection after which the last error is raised.

    Raises:
        RequestRejected: If it was refused for another reason than a rate limit.
        TransportError: If there was no connection in time, or it failed `TRIES` times with one.
    """
    pause, tries = PAUSE_S, 0
    while True:
        try:
            async with link.in_flight:
                return await send()
        except TransportClosed:
            raise
        except TransportError as error:
            tries += 1
            if isinstance(error, RequestRejected) and not is_rate_limit(error):
                raise
            lost_at = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(give_up_s):
                    await link.connected()
            except TimeoutError:
                raise error from None
            if asyncio.get_running_loop().time() > lost_at + PAUSE_S:
                tries = 0  # there was no connection: that was why
            if tries >= TRIES:
                raise
        await asyncio.sleep(pause)
        pause = min(PAUSE_LIMIT_S, pause * 2)


def message_bytes(message: OutboundMessage) -> int:
    """Give the size that Ably counts: name, data and extras."""
    size = len(message.name.encode())
    data = message.data
    if isinstance(data, str):
        size += len(data.encode())
    elif isinstance(data, bytes):
        size += len(data)
    elif data is not None:
        size += len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())
    if message.extras:
        size += len(json.dumps(message.extras, separators=(",", ":"), ensure_ascii=False).encode())
    return size
