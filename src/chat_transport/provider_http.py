"""`aiohttp_transport`: carries the requests of an SDK's httpx client over aiohttp.

Rule: an event costs half, and nobody sees another difference: what is sent, how long is waited and
what is raised are httpx's (tests/contract/test_provider_clients.py). Proxies stay with httpx. No
import of aiohttp until a transport is made. For authors of adapters.
Source: httpx-aiohttp 0.2, which SDKs carry along, shows the way; it has no write timeout, refuses
headers over 8,190 bytes, keeps cookies a second time and calls lost connections timeouts.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import suppress
from typing import Any, Self, TypeAlias
from weakref import finalize

__all__ = ["AiohttpTransport", "aiohttp_transport"]

Httpx: TypeAlias = Any  # the module httpx or httpx2, whichever the SDK speaks
Aiohttp: TypeAlias = Any  # the module aiohttp
HttpRequest: TypeAlias = Any  # of that httpx
HttpResponse: TypeAlias = Any  # of that httpx
HttpTransport: TypeAlias = Any  # an AsyncBaseTransport of that httpx, for the type checker
Session: TypeAlias = Any  # an aiohttp.ClientSession
Waits: TypeAlias = Mapping[str, float | None]
"""Seconds for `connect`, `read`, `write` and `pool`; None waits for ever. As httpx gives them."""

MAX_CONNECTIONS = 1000
"""Connections at once, as the SDKs of OpenAI and Anthropic allow their own clients."""

KEEP_ALIVE_S = 5.0
"""Seconds that an idle connection is kept, as in httpx."""

MAX_HEADER_BYTES = 100 * 1024
"""Longest header of an answer, as in httpcore."""

PIECE_BYTES = 64 * 1024
"""A longer body is sent in pieces of this, each within the write timeout."""

KEEP_ALIVE_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 5}
"""Finds a peer that is gone in a long silence, as in Anthropic's own client."""

OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add; the SDK has said what it wants."""

ERRORS = (
    ("ConnectionTimeoutError", "ConnectTimeout"),
    ("ServerTimeoutError", "ReadTimeout"),
    ("ClientConnectorError", "ConnectError"),
    ("InvalidURL", "UnsupportedProtocol"),
    ("NonHttpUrlClientError", "UnsupportedProtocol"),
    ("ServerDisconnectedError", "RemoteProtocolError"),
    ("ClientPayloadError", "RemoteProtocolError"),
    ("ClientResponseError", "RemoteProtocolError"),
    ("ClientError", "NetworkError"),
)
"""aiohttp's errors and httpx's; the first that fits counts."""


def aiohttp_transport(client: type[Any]) -> HttpTransport:
    """Make a transport for a client of httpx, to be used in one event loop of asyncio.

    Give it as `transport=`; the client then asks the environment for no proxy. `ProviderClient`
    takes httpx where there is one.

    Args:
        client: The class that it is made for: `AsyncClient` of httpx or httpx2, or an SDK's own.

    Raises:
        ImportError: If aiohttp is not installed.
    """
    import aiohttp  # noqa: PLC0415  # only where it is used

    return AiohttpTransport(_httpx_of(client), aiohttp)


def _httpx_of(client: type[Any]) -> Httpx:
    names = [kind.__module__.partition(".")[0] for kind in client.__mro__]
    return sys.modules[next(name for name in names if name in {"httpx", "httpx2"})]


class AiohttpTransport:
    """An `AsyncBaseTransport` of httpx or httpx2; see `aiohttp_transport`."""

    def __init__(self, httpx: Httpx, aiohttp: Aiohttp) -> None:
        self._httpx = httpx
        self._aiohttp = aiohttp
        self._errors = [(getattr(aiohttp, ours), getattr(httpx, its)) for ours, its in ERRORS]
        self._body = _body_class(httpx, self)
        self._session: Session | None = None
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def handle_async_request(self, request: HttpRequest) -> HttpResponse:
        """Send a request and give its answer, once the head is there.

        Raises:
            httpx.TransportError: As httpx does; of the module that was given.
        """
        await _hear_of_closed_connections()
        waits: Waits = request.extensions.get("timeout", {})
        upload = _Upload(request, self._httpx, waits)
        try:
            async with asyncio.timeout(None) as patience:
                upload.patience = patience
                answer = await self._send(request, upload, waits)
        except TimeoutError as error:
            if isinstance(error, self._aiohttp.ClientError):
                raise self.translated(error) from error
            raise self._httpx.WriteTimeout("the request was not taken in time") from error
        except self._aiohttp.ClientError as error:
            raise self.translated(error) from error
        finally:
            upload.patience = None
        return self._httpx.Response(
            status_code=answer.status,
            headers=answer.raw_headers,
            stream=self._body(answer),
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": (answer.reason or "").encode("ascii", "ignore"),
            },
        )

    async def _send(self, request: HttpRequest, upload: _Upload, waits: Waits) -> Any:
        # As it stands: yarl, whose addresses aiohttp takes, would undo some escapes.
        url = self._aiohttp.client.URL(str(request.url), encoded=True)
        return await self._opened().request(
            request.method,
            url,
            headers=upload.headers,
            data=upload.data,
            allow_redirects=False,
            ssl=self._context() if url.scheme == "https" else True,
            server_hostname=request.extensions.get("sni_hostname"),
            timeout=self._aiohttp.ClientTimeout(
                total=None,
                connect=waits.get("pool"),
                sock_connect=waits.get("connect"),
                sock_read=waits.get("read"),
            ),
        )

    def _opened(self) -> Session:
        if self._session is None:
            http = self._aiohttp
            self._session = http.ClientSession(
                connector=http.TCPConnector(
                    limit=MAX_CONNECTIONS,
                    keepalive_timeout=KEEP_ALIVE_S,
                    socket_factory=_open_socket,
                ),
                cookie_jar=http.DummyCookieJar(),  # httpx keeps them
                auto_decompress=False,
                skip_auto_headers=OWN_HEADERS,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
            finalize(self, _let_go, self._session)
        return self._session

    def _context(self) -> ssl.SSLContext:
        made = self._tls
        if made is None:  # reading the authorities takes 20 ms
            made = self._tls = self._httpx.create_ssl_context()
        return made

    def translated(self, error: Exception) -> Exception:
        """Give httpx's error for one of aiohttp's."""
        for known, theirs in self._errors:
            if isinstance(error, known):
                made: Exception = theirs(str(error) or type(error).__name__)
                return made
        return error


class _Upload:
    """What goes out: headers and body, with the write timeout pushed on by every piece taken."""

    def __init__(self, request: HttpRequest, httpx: Httpx, waits: Waits) -> None:
        self.patience: asyncio.Timeout | None = None
        self._write_s = waits.get("write")
        self._read_s = waits.get("read")
        self.headers = request.headers
        self.data: bytes | AsyncGenerator[bytes, None] | None
        try:
            content: bytes = request.content
        except httpx.RequestNotRead:
            self.headers = request.headers.copy()
            self.headers.pop("transfer-encoding", None)  # aiohttp says it
            self.data = self._watched(request.stream)
        else:
            is_long = len(content) > PIECE_BYTES
            self.data = self._watched(_pieces(content)) if is_long else content or None

    async def _watched(self, parts: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        async for part in parts:
            self._expect_within(self._write_s)
            yield part
        # What is still in aiohttp's buffer is written, then the answer awaited.
        if self._write_s is None or self._read_s is None:
            self._expect_within(None)
        else:
            self._expect_within(self._write_s + self._read_s)

    def _expect_within(self, seconds: float | None) -> None:
        if self.patience is not None:  # else it was answered before it was read
            now = asyncio.get_running_loop().time()
            self.patience.reschedule(None if seconds is None else now + seconds)


def _let_go(session: Session) -> None:
    # Its loop ended without `shutdown_asyncgens`: nobody can await its end. aiohttp would log that
    # on the closed loop; httpx drops its connections without a word.
    connector = session.connector
    if connector is not None:
        session.detach()
        with suppress(StopIteration):  # the sockets are closed at once, only the rest is awaited
            connector.close().__await__().send(None)


async def _hear_of_closed_connections() -> None:
    # httpx looks at an idle connection before it uses it; aiohttp knows what the loop has told it.
    # A loop that was kept busy has yet to read the end, to call back, to call the connection lost.
    for _ in range(3):
        await asyncio.sleep(0)


async def _pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]


def _open_socket(place: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol = place[:3]
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE_PROBES.items():
        option = getattr(socket, name, None)  # not on every system
        if option is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened


def _body_class(httpx: Httpx, transport: AiohttpTransport) -> Any:
    """Make the class of an answer's body; httpx asks that it be one of its own."""
    foreign = (transport._aiohttp.ClientError, TimeoutError)  # noqa: SLF001  # this module's

    class Body(httpx.AsyncByteStream):  # type: ignore[misc]  # a module chosen at run time is Any
        def __init__(self, answer: Any) -> None:
            self._answer = answer

        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            read = self._answer.content.readany
            try:
                while piece := await read():
                    yield piece
            except foreign as error:
                raise transport.translated(error) from error

        async def aclose(self) -> None:
            self._answer.close()

    return Body
