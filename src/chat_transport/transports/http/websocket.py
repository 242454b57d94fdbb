"""`WebSocketChatTransport`: the client's end over one socket that all requests share.

Rule: the socket opens on demand and nothing is sent twice: a socket that breaks fails its streams
as resumable. Source: AI SDK 7.0.173 `WebSocketChatTransport`, frames since 7.0.135.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from ..._chunk_log import ChunkLog
from ..._strict_json import dumps
from ..._tasks import open_task_group
from ...chunks import UIMessageChunk
from ...codecs.sse import MAX_EVENT_BYTES
from ...codecs.ui_frames import (
    AbortFrame,
    FrameRequests,
    ResumeFrame,
    SendFrame,
    dump_frame,
)
from ...codecs.ui_request import merge_headers
from ...errors import ConnectFailed, RemoteProtocolError, StreamInterrupted, TransportClosed
from ...inputs import Reconnect, SendMessages
from ...transport import Capabilities, ChatTransport, ChunkStream
from .client import Headers, Resolvable, resolve
from .http_library import make_client, translated

__all__ = ["WebSocketChatTransport", "WebSocketClient"]

JSON: TypeAlias = Any  # any JSON value
CLOSE_TIMEOUT_S = 2.0
"""Seconds that a goodbye may take; a socket that takes longer is dropped."""


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
    ) -> AbstractAsyncContextManager[Any]:
        """Open a socket for as long as the block runs."""
        ...


class _Sink:
    """What one request got."""

    def __init__(self) -> None:
        self.log = ChunkLog()
        self.answered = anyio.Event()
        self.active = False
        self.error: Exception | None = None

    def accepted(self, *, active: bool) -> None:
        self.active = active
        self.answered.set()

    def chunk(self, chunk: UIMessageChunk) -> None:
        self.log.append(chunk)

    def ended(self, error: Exception | None) -> None:
        self.error = error
        self.log.close(error)
        self.answered.set()


class _Connection:
    """One socket, from its opening to its end."""

    def __init__(self) -> None:
        self.requests = FrameRequests()
        self.chats: dict[str, str] = {}
        self.opened = anyio.Event()
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()
        self._session: WebSocketSession | None = None

    @property
    def is_over(self) -> bool:
        return self.error is not None

    async def run(
        self,
        client: WebSocketClient,
        url: str,
        params: Resolvable[Mapping[str, str]] | None,
        protocols: Sequence[str],
    ) -> None:
        """Open the socket and read it to its end; every fault ends up in `error`."""
        try:
            with self.scope:
                async with client.websocket(
                    url,
                    max_message_size_bytes=MAX_EVENT_BYTES,  # a snapshot or an image is one frame
                    subprotocols=list(protocols) or None,
                    params=await resolve(params) or None,
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

    async def send(self, text: str) -> None:
        assert self._session is not None
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


class WebSocketChatTransport(ChatTransport):
    """Talks to `create_app`, or to any server of the AI SDK's `WebSocketChatTransport`.

    Args:
        url: `wss://` or `ws://`; `https://` and `http://` are taken for these.
        headers: Sent in each frame, where the server reads them.
        body: Extra JSON fields of each request.
        params: Added to the URL's query, anew for each socket that is opened.
        protocols: Subprotocols to offer, the one liked most first.
        client: An httpx2 client of yours; never closed by us.
        connect_timeout_s: Seconds to open the socket; None waits for ever.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Resolvable[Headers] | None = None,
        body: Resolvable[Mapping[str, JSON]] | None = None,
        params: Resolvable[Mapping[str, str]] | None = None,
        protocols: Sequence[str] = (),
        client: WebSocketClient | None = None,
        connect_timeout_s: float | None = 10.0,
    ) -> None:
        self._url = f"ws{url[4:]}" if url.startswith(("http://", "https://")) else url
        self._params = params
        self._protocols = protocols
        self._headers = headers
        self._body = body
        self._given = client
        self._client: WebSocketClient | None = None
        self._connect_timeout_s = connect_timeout_s
        self._connection: _Connection | None = None
        self._tasks: TaskGroup | None = None
        self._stack = AsyncExitStack()

    @property
    def capabilities(self) -> Capabilities:
        """Resumes and stops; the frames know no history."""
        return Capabilities(resumes=True, replays_on_resume=True, stops=True, concurrent_runs=True)

    async def __aenter__(self) -> Self:
        """Make the HTTP client if none was given. Connects to nothing yet."""
        async with AsyncExitStack() as stack:
            self._client = self._given
            if self._client is None:
                self._client = await stack.enter_async_context(make_client())
            self._tasks = await stack.enter_async_context(open_task_group())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the socket; streams that are still read fail. Runs go on."""
        self._tasks = None
        if self._connection is not None:
            self._connection.scope.cancel()
            self._connection = None
        await self._stack.__aexit__(exc_type, exc, traceback)

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        """Send a frame and read its reply. A refusal is raised by the stream.

        Raises:
            ConnectFailed: If the socket cannot be opened. Safe to repeat.
            StreamInterrupted: If the socket broke while the frame was sent.
            TransportClosed: If the transport is not entered.
        """
        frame = SendFrame(
            request_id=uuid4().hex,
            chat_id=request.chat_id,
            trigger=request.trigger,
            messages=request.messages,
            message_id=request.message_id,
            headers=merge_headers(await resolve(self._headers), request.headers),
            body={**(await resolve(self._body) or {}), **request.body},
            metadata=request.metadata,
        )
        async with self._asking(frame) as sink:
            yield sink.log.stream()

    @asynccontextmanager
    async def reconnect_to_stream(
        self, request: Reconnect
    ) -> AsyncGenerator[ChunkStream | None, None]:
        """Ask for the reply under way; None if there is none.

        Raises:
            ConnectFailed: If the socket cannot be opened. Safe to repeat.
            RequestRejected: If the server refused.
            TransportClosed: If the transport is not entered.
        """
        frame = ResumeFrame(
            request_id=uuid4().hex,
            chat_id=request.chat_id,
            headers=merge_headers(await resolve(self._headers), request.headers),
            body={**(await resolve(self._body) or {}), **request.body},
            metadata=request.metadata,
        )
        async with self._asking(frame) as sink:
            await sink.answered.wait()
            if not sink.active and sink.error is not None:
                raise sink.error
            yield sink.log.stream() if sink.active else None

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Send `abort` for what this transport reads of the chat, or resume the chat to abort it.

        The frames know no run ids, so every run that is read here is stopped.
        """
        connection = await self._connected()
        names = [name for name, chat in connection.chats.items() if chat == chat_id]
        if names:
            for name in names:
                await connection.send(dump_frame(AbortFrame(request_id=name)))
            return
        frame = ResumeFrame(
            request_id=uuid4().hex,
            chat_id=chat_id,
            headers=merge_headers(await resolve(self._headers)),
            body=await resolve(self._body) or {},
        )
        async with self._asking(frame) as sink:
            await sink.answered.wait()
            if sink.active:
                await connection.send(dump_frame(AbortFrame(request_id=frame.request_id)))
                async for _ in sink.log.stream():
                    pass

    @asynccontextmanager
    async def _asking(self, frame: SendFrame | ResumeFrame) -> AsyncGenerator[_Sink, None]:
        connection = await self._connected()
        sink = _Sink()
        connection.requests.begin(frame.request_id, sink, resumes=isinstance(frame, ResumeFrame))
        connection.chats[frame.request_id] = frame.chat_id
        try:
            await connection.send(dump_frame(frame))
            yield sink
        finally:
            del connection.chats[frame.request_id]
            if connection.requests.leave(frame.request_id) is not None and not connection.is_over:
                await self._say_left(connection, frame.request_id)

    async def _say_left(self, connection: _Connection, request_id: str) -> None:
        """Tell the server to send no more. `leave` is ours: the run goes on; others ignore it."""
        goodbye = dumps({"type": "abort", "requestId": request_id, "leave": True}).decode()
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            try:
                await connection.send(goodbye)
            except (StreamInterrupted, ConnectFailed):
                return

    async def _connected(self) -> _Connection:
        if self._tasks is None or self._client is None:
            raise TransportClosed(
                f"unable to reach {self._url!r}; the transport is not entered: use `async with`"
            )
        connection = self._connection
        if connection is None or connection.is_over:
            connection = self._connection = _Connection()
            self._tasks.start_soon(
                connection.run, self._client, self._url, self._params, self._protocols
            )
        with anyio.move_on_after(self._connect_timeout_s):
            await connection.opened.wait()
        if connection.error is not None:
            raise connection.error
        if not connection.opened.is_set():
            connection.scope.cancel()
            raise ConnectFailed(f"unable to reach {self._url!r}; it took too long")
        return connection
