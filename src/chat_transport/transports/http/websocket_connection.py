"""One WebSocket of our client, shared by all its requests, and what may go wrong with it.

Rule: nothing is sent twice here; a socket that breaks fails what waits for it as resumable.
Source: AI SDK 7.0.173 `WebSocketChatTransport`, whose words for a lost socket these are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import anyio

from ...codecs.sse import MAX_EVENT_BYTES
from ...codecs.ui_frames import FrameRequests
from ...errors import ConnectFailed, RemoteProtocolError, StreamInterrupted, TransportClosed
from .http_library import translated

__all__ = ["SocketConnection", "WebSocketClient", "WebSocketSession"]


class WebSocketSession(Protocol):
    """What we need of an open socket."""

    async def send_text(self, data: str) -> None:
        """Send one message."""
        ...

    async def receive_text(self) -> str:
        """Wait for the next message."""
        ...

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Say goodbye."""
        ...


class WebSocketClient(Protocol):
    """What we need of an HTTP library's client; httpx2 has it."""

    def websocket(
        self,
        url: str,
        *,
        max_message_size_bytes: int,
        subprotocols: list[str] | None,
        params: Mapping[str, str] | None,
        keepalive_ping_interval_seconds: float | None,
        keepalive_ping_timeout_seconds: float | None,
    ) -> AbstractAsyncContextManager[Any]:
        """Open a socket for as long as the block runs."""
        ...


class SocketConnection:
    """One socket, from its opening to its end.

    Attributes:
        requests: What waits for frames.
        opened: Set when it is open, or over.
        error: Why it is over.
        scope: Cancel it to close the socket.
    """

    def __init__(self) -> None:
        self.requests = FrameRequests()
        self.opened = anyio.Event()
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()
        self._session: WebSocketSession | None = None

    @property
    def is_over(self) -> bool:
        """Nothing can be sent any more."""
        return self.error is not None

    async def run(
        self,
        client: WebSocketClient,
        url: str,
        params: Callable[[], Awaitable[Mapping[str, str] | None]],
        protocols: Sequence[str],
        *,
        ping_s: float | None,
    ) -> None:
        """Open the socket and read it to its end; every fault ends up in `error`."""
        try:
            with self.scope:
                async with client.websocket(
                    url,
                    max_message_size_bytes=MAX_EVENT_BYTES,  # a snapshot or an image is one frame
                    subprotocols=list(protocols) or None,
                    params=await params() or None,
                    keepalive_ping_interval_seconds=ping_s,
                    keepalive_ping_timeout_seconds=ping_s,
                ) as session:
                    self._session = session
                    self.opened.set()
                    try:  # httpx2 would wrap what leaves this block in an ExceptionGroup
                        await self._read(session)
                    except Exception as error:  # noqa: BLE001  # as below
                        self._end(self._fault(error, url))
        except Exception as error:  # noqa: BLE001  # any library's; translated, and given to the requests
            self._end(self._fault(error, url))
        finally:
            self._end(TransportClosed("WebSocket chat transport was closed."))

    def give_up(self, error: Exception) -> None:
        """Close the socket; whoever waits for it gets this error."""
        self._end(error)
        self.scope.cancel()

    async def send(self, text: str) -> None:
        """Send one frame.

        Raises:
            StreamInterrupted: If the socket broke; the frame may or may not have arrived.
            TransportClosed: If it was closed here.
        """
        assert self._session is not None
        if self.error is not None:
            raise self.error
        try:
            await self._session.send_text(text)
        except Exception as error:
            raise self._fault(error, "the socket") from error

    async def _read(self, session: WebSocketSession) -> None:
        while True:
            text = await session.receive_text()
            try:
                self.requests.receive(text)
            except RemoteProtocolError as error:
                self._end(error)
                await session.close(1011, "WebSocket chat transport error")
                return

    def _fault(self, error: Exception, url: str) -> Exception:
        names = {cls.__name__ for cls in type(error).__mro__}
        if not self.opened.is_set():
            if "WebSocketUpgradeError" in names:
                return ConnectFailed(f"unable to open a WebSocket at {url!r}; the server refused")
            said = translated(error, url)
            return said if isinstance(said, ConnectFailed) else ConnectFailed(str(said))
        if "HTTPXWSException" in names:
            code = getattr(error, "code", None)
            why = getattr(error, "reason", None)
            why = f": {why}" if why else ""
            said_code = "" if code is None else f" (code {int(code)}{why})"
            return StreamInterrupted(
                f"WebSocket chat network connection closed{said_code}.", resumable=True
            )
        return translated(error, url)

    def _end(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
            self.requests.fail_all(error)
            self.opened.set()
