"""What we need of an HTTP library, and its faults in our words.

Rule: the only file that imports one, and it needs no particular one: a client is taken by what it
can do (httpx2 and httpx have it), an error is told by the names of its classes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, cast

from ..._extras import wanted_by
from ...codecs.ui_request import HttpRequest
from ...codecs.ui_response import rejection
from ...errors import ConnectFailed, StreamInterrupted

__all__ = [
    "HttpBody",
    "HttpClient",
    "OwnClient",
    "Timeouts",
    "make_client",
    "open_body",
    "translated",
]

ERROR_BODY_BYTES = 64 * 1024
"""Of a refusal's body, how much is read and kept."""
Timeouts: TypeAlias = tuple[float | None, float | None, float | None, float | None]
"""Seconds to connect, read, write and get a connection from the pool; None waits for ever."""


class HttpClient(Protocol):
    """What a client must do; its requests pass through it unread but for their headers."""

    def build_request(
        self, method: str, url: str, *, headers: Any, content: Any, timeout: Any
    ) -> Any:
        """Make a request, with the client's own cookies and defaults."""
        ...

    async def send(self, request: Any, *, stream: bool) -> Any:
        """Send it and give the response with its body unread."""
        ...


class OwnClient(HttpClient, Protocol):
    """A client that we made, and close."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

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
        """Open a WebSocket."""
        ...


class _Response(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class HttpBody:
    """An open response, its faults translated.

    Attributes:
        status: The HTTP status.
        run_id: The run that speaks, if the server names it.
        counts: The server names places in the run and continues from one.
        media_type: What the body is, in lower case; empty if the server does not say.
        url: Where it came from.
    """

    def __init__(self, response: _Response, url: str) -> None:
        self.status = response.status_code
        self.run_id = response.headers.get("x-chat-run-id")
        self.counts = response.headers.get("x-chat-cursor") is not None
        self.media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.url = url
        self._response = response
        self._pieces = response.aiter_bytes()

    async def read(self) -> bytes:
        """Give the next bytes; empty at the end.

        Raises:
            StreamInterrupted: If the connection broke.
        """
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except Exception as error:
            raise translated(error, self.url) from error
        return b""

    async def read_all(self, limit: int | None = None) -> bytes:
        """Give what is left, `limit` bytes of it at most, and close."""
        pieces: list[bytes] = []
        size = 0
        try:
            while (limit is None or size < limit) and (data := await self.read()):
                pieces.append(data)
                size += len(data)
        finally:
            await self.close()
        return b"".join(pieces)[:limit]

    async def close(self) -> None:
        """Let go of the connection."""
        await self._response.aclose()


async def open_body(
    client: HttpClient, request: HttpRequest, extra: Mapping[str, str], timeouts: Timeouts
) -> HttpBody:
    """Send a request and give its answer.

    Raises:
        ConnectFailed: If nothing was sent.
        StreamInterrupted: If the connection broke before the answer.
        RequestRejected: If the status is not 200 to 299.
    """
    raw = client.build_request(
        request.method,
        request.url,
        headers={**extra, **request.headers},
        content=request.body,
        timeout=timeouts,
    )
    if request.credentials == "omit":
        raw.headers.pop("cookie", None)
    try:
        response = cast("_Response", await client.send(raw, stream=True))  # any library's
    except Exception as error:
        raise translated(error, request.url) from error
    body = HttpBody(response, request.url)
    if 200 <= body.status < 300:
        return body
    try:
        said = (await body.read_all(ERROR_BODY_BYTES)).decode(errors="replace")
    except StreamInterrupted:
        said = ""  # the status says enough
    refused = rejection(body.status, said)  # its words are the server's own, as AI SDK has it
    refused.add_note(f"{request.method} {request.url} was answered with {body.status}")
    raise refused


def make_client() -> OwnClient:
    """Make an httpx2 client for streams."""
    with wanted_by("HttpChatTransport"):  # a server alone does not need it
        import httpx2  # noqa: PLC0415

    # Each stream holds a connection, so a pool of 100 would be a limit of 100 replies.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx2.AsyncClient(limits=limits, follow_redirects=True)


_NOTHING_SENT = {
    "ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol",
    "InvalidURL",
}  # fmt: skip


def _said(error: BaseException | None) -> str:
    """Give the words of an error, or of what it came from: on trio TLS says nothing itself."""
    while error is not None and not str(error):
        error = error.__cause__ or error.__context__
    return "" if error is None else str(error)


def translated(error: Exception, url: str) -> Exception:
    """Give our word for an HTTP library's error; what is none of its own is given back."""
    names = {cls.__name__ for cls in type(error).__mro__}
    said = _said(error) or type(error).__name__
    if names & _NOTHING_SENT:
        return ConnectFailed(f"unable to reach {url!r}; {said}")
    if names & {"HTTPError", "StreamError", "OSError"}:
        return StreamInterrupted(f"lost the connection to {url!r}; {said}", resumable=True)
    return error
