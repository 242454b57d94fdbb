"""`WebSocketChatTransport`: the client's end over one socket that all requests share.

Rule: the socket opens on demand, and again when it breaks; each frame's headers and body are asked
for anew. Source: AI SDK 7.0.173 `WebSocketChatTransport`, frames since 7.0.135.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeAlias
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from ..._strict_json import dumps
from ..._tasks import open_task_group
from ...codecs.ui_frames import ResumeFrame, SendFrame
from ...codecs.ui_request import RequestDraft, merge_headers
from ...errors import ConnectFailed, LocalProtocolError, StreamInterrupted, TransportClosed
from ...inputs import Reconnect, SendMessages
from ...transport import Capabilities, ChatTransport, ChunkStream
from .client import Headers, PrepareRequest, Resolvable, resolve, settle_request
from .http_library import make_client
from .reply_reader import ReconnectPolicy
from .websocket_connection import SocketConnection, WebSocketClient
from .websocket_reply import Frame, SocketReply, WayBack

__all__ = ["WebSocketChatTransport"]

JSON: TypeAlias = Any  # any JSON value
CLOSE_TIMEOUT_S = 2.0
"""Seconds that a goodbye may take; a socket that takes longer is dropped."""
COUNTS_PLACES = {"x-chat-cursor": "place"}
"""Asks our server to name the run, and places in it."""


class WebSocketChatTransport(ChatTransport):
    """Talks to `create_app`, or to any server of the AI SDK's `WebSocketChatTransport`.

    Args:
        url: `wss://` or `ws://`; `https://` and `http://` are taken for these.
        headers: Sent in each frame, where the server reads them.
        body: Extra JSON fields of each request.
        params: Added to the URL's query, anew for each socket that is opened.
        protocols: Subprotocols to offer, the one liked most first.
        client: An httpx2 client of yours; never closed by us.
        prepare_send: Sees each send and may replace its headers and body.
        prepare_reconnect: Sees each reconnect and may replace its headers and body.
        reconnect: How a reply is taken up again after a network fault; None: not by itself.
        connect_timeout_s: Seconds to open the socket; None waits for ever.
        idle_timeout_s: Seconds without an answer, to pings at the latest, before the socket counts
            as lost; None waits for ever.
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
        prepare_send: PrepareRequest | None = None,
        prepare_reconnect: PrepareRequest | None = None,
        reconnect: ReconnectPolicy | None = ReconnectPolicy(),  # noqa: B008  # frozen
        connect_timeout_s: float | None = 10.0,
        idle_timeout_s: float | None = 40.0,
    ) -> None:
        self._url = f"ws{url[4:]}" if url.startswith(("http://", "https://")) else url
        self._params = params
        self._protocols = protocols
        self._headers = headers
        self._body = body
        self._given = client
        self._client: WebSocketClient | None = None
        self._prepare_send = prepare_send
        self._prepare_reconnect = prepare_reconnect
        self._policy = reconnect
        self._connect_timeout_s = connect_timeout_s
        self._ping_s = None if idle_timeout_s is None else idle_timeout_s / 2
        self._connection: SocketConnection | None = None
        self._replies: list[SocketReply] = []
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
        """Send a frame and read its reply; a lost socket is opened again, the prompt sent once.

        Raises:
            ConnectFailed: If the socket cannot be opened. Safe to repeat.
            TransportClosed: If the transport is not entered.

        A refusal is raised by the stream; so is `StreamInterrupted`, if the server may have the
        prompt but does not say so.
        """
        key = uuid4().hex
        draft = RequestDraft(
            api=self._url,
            id=request.chat_id,
            metadata=request.metadata,
            messages=request.messages,
            trigger=request.trigger,
            message_id=request.message_id,
        )
        headers, body = await self._prepared(request, draft, self._prepare_send)
        frame = SendFrame(
            request_id=uuid4().hex,
            chat_id=request.chat_id,
            trigger=request.trigger,
            messages=request.messages,
            message_id=request.message_id,
            headers={**COUNTS_PLACES, "idempotency-key": key, **headers},
            body=body,
            metadata=request.metadata,
        )
        async with self._asking(request, frame, key) as reply:
            yield reply.stream

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
        frame = await self._resume_frame(request, WayBack(), None)
        async with self._asking(request, frame, None) as reply:
            await reply.answered.wait()
            if not reply.is_active and reply.log.error is not None:
                raise reply.log.error
            yield reply.stream if reply.is_active else None

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Send `abort` for what this transport reads of the chat, or resume the chat to abort it.

        Servers other than ours tell no run ids: there, every run that is read here is stopped.
        """
        reading = [r for r in self._replies if r.chat_id == chat_id and not r.log.closed]
        named = [reply for reply in reading if reply.log.run_id == run_id]
        for reply in named if run_id is not None and named else reading:
            await reply.stop()
        if reading:
            return
        request = Reconnect(chat_id=chat_id)
        frame = await self._resume_frame(request, WayBack(run_id=run_id), None)
        async with self._asking(request, frame, None) as reply:
            await reply.answered.wait()
            if reply.is_active:
                await reply.stop()
                async for _ in reply.stream:
                    pass

    @asynccontextmanager
    async def _asking(
        self, request: SendMessages | Reconnect, frame: Frame, key: str | None
    ) -> AsyncGenerator[SocketReply, None]:
        async def resume(way: WayBack) -> ResumeFrame:
            return await self._resume_frame(request, way, key)

        reply = SocketReply(request.chat_id, self._connected, resume, self._policy)
        self._replies.append(reply)
        try:
            async with open_task_group() as tasks:
                await reply.ask(frame)
                tasks.start_soon(reply.keep)
                try:
                    yield reply
                finally:
                    tasks.cancel_scope.cancel()
        finally:
            self._replies.remove(reply)
            connection = reply.connection
            if connection is not None and connection.requests.leave(reply.request_id) is not None:
                await self._say_left(connection, reply.request_id)

    async def _resume_frame(
        self, request: SendMessages | Reconnect, way: WayBack, key: str | None
    ) -> ResumeFrame:
        draft = RequestDraft(api=self._url, id=request.chat_id, metadata=request.metadata)
        headers, body = await self._prepared(request, draft, self._prepare_reconnect)
        ours = merge_headers(
            COUNTS_PLACES,
            {
                "x-chat-run-id": way.run_id,
                "last-event-id": way.place,
                "idempotency-key": key if way.run_id is None else None,
            },
        )
        return ResumeFrame(
            request_id=uuid4().hex,
            chat_id=request.chat_id,
            last_sequence=way.last_sequence,
            headers={**ours, **headers},
            body=body,
            metadata=request.metadata,
        )

    async def _prepared(
        self,
        request: SendMessages | Reconnect,
        draft: RequestDraft,
        hook: PrepareRequest | None,
    ) -> tuple[Mapping[str, str], Mapping[str, JSON]]:
        """Give a frame's headers and body: options resolved, hook asked."""
        headers = merge_headers(await resolve(self._headers), request.headers)
        body = {**(await resolve(self._body) or {}), **request.body}
        prepared = await settle_request(hook, replace(draft, headers=headers, body=body))
        if prepared is None:
            return headers, body
        if prepared.api is not None or prepared.credentials is not None:
            raise LocalProtocolError(
                "unable to send a frame elsewhere; all requests share one socket: "
                "give `url`, `params` and `client` to the transport"
            )
        return (
            headers if prepared.headers is None else merge_headers(prepared.headers),
            body if prepared.body is None else prepared.body,
        )

    async def _say_left(self, connection: SocketConnection, request_id: str) -> None:
        """Tell the server to send no more. `leave` is ours: the run goes on; others ignore it."""
        goodbye = dumps({"type": "abort", "requestId": request_id, "leave": True}).decode()
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            try:
                await connection.send(goodbye)
            except (StreamInterrupted, ConnectFailed, TransportClosed):
                return

    async def _connected(self) -> SocketConnection:
        if self._tasks is None or self._client is None:
            raise TransportClosed(
                f"unable to reach {self._url!r}; the transport is not entered: use `async with`"
            )
        connection = self._connection
        if connection is None or connection.is_over:
            connection = self._connection = SocketConnection()
            self._tasks.start_soon(self._run, connection, self._client)
        with anyio.move_on_after(self._connect_timeout_s):
            await connection.opened.wait()
        if not connection.opened.is_set():
            connection.give_up(ConnectFailed(f"unable to reach {self._url!r}; it took too long"))
        if isinstance(connection.error, StreamInterrupted):  # opened, and closed again at once
            raise ConnectFailed(f"unable to use {self._url!r}; {connection.error}")
        if connection.error is not None:
            raise connection.error
        return connection

    async def _run(self, connection: SocketConnection, client: WebSocketClient) -> None:
        async def params() -> Mapping[str, str] | None:
            return await resolve(self._params)

        await connection.run(client, self._url, params, self._protocols, ping_s=self._ping_s)
