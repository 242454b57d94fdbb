"""`HttpChatTransport`: the client's end over HTTP and server-sent events.

Rule: the only file that knows an HTTP library, and it needs no particular one: any client with
`build_request` and `send(stream=True)` will do (httpx2, httpx).
Source: `DefaultChatTransport` of AI SDK 7.0.173, with stop, history and reconnecting added.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from inspect import isawaitable
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar, cast
from urllib.parse import urlencode
from uuid import uuid4

import anyio
from pydantic import ValidationError

from ..._tasks import open_task_group
from ...codecs.ui_request import (
    Credentials,
    HttpRequest,
    PreparedRequest,
    RequestDraft,
    build_reconnect,
    build_send,
    chat_url,
    dump_json,
    load_object,
    merge_headers,
)
from ...errors import (
    ConnectFailed,
    RemoteProtocolError,
    RequestRejected,
    StreamInterrupted,
    TransportClosed,
)
from ...inputs import Reconnect, SendMessages
from ...messages import UIMessage
from ...transport import Capabilities, ChatTransport, ChunkStream, History
from .reply_reader import Place, ReconnectPolicy, ReplyReader

__all__ = [
    "Headers",
    "HttpChatTransport",
    "HttpClient",
    "PrepareRequest",
    "Resolvable",
    "resolve",
    "translated",
]

JSON: TypeAlias = Any  # any JSON value
Value = TypeVar("Value")
Resolvable: TypeAlias = Value | Callable[[], Value | Awaitable[Value]]
"""A value, or a function or coroutine function that gives it anew for each request."""
Headers: TypeAlias = Mapping[str, str | None]
PrepareRequest: TypeAlias = Callable[
    [RequestDraft], PreparedRequest | None | Awaitable[PreparedRequest | None]
]
ERROR_BODY_BYTES = 64 * 1024
"""Of a refusal's body, how much is read and kept."""


class HttpResponse(Protocol):
    """What we need of an answer."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class HttpClient(Protocol):
    """What we need of an HTTP library's client; httpx2 and httpx have it."""

    def build_request(  # the library's request goes back into `send` unread, but for its headers
        self, method: str, url: str, *, headers: Any, content: Any, timeout: Any
    ) -> Any: ...
    async def send(self, request: Any, *, stream: bool) -> Any: ...


class HttpChatTransport(ChatTransport):
    """Talks to `create_app`, or to any backend of the AI SDK's `useChat`.

    Args:
        api: The chat endpoint's URL; relative if `client` has a base URL.
        headers: Sent with each request; names in any case, None entries are dropped.
        body: Extra JSON fields of each send.
        credentials: `omit` sends no cookies; else the client's cookies go along.
        client: An HTTP client of yours, with its own proxies, TLS, cookies; never closed by us.
            None makes an httpx2 client that lives as long as the transport is entered.
        prepare_send: Sees each send and may replace its parts.
        prepare_reconnect: Sees each reconnect and may replace its parts.
        reconnect: How a reply is taken up again after a network fault; None: not by itself.
        connect_timeout_s: Seconds to connect; None waits for ever.
        idle_timeout_s: Seconds without a byte before the connection counts as lost; None waits
            for ever. Servers without keep-alive comments may be silent for as long as a model
            thinks.
        resumes: Whether the server has `GET {id}/stream`.
    """

    def __init__(
        self,
        api: str = "/api/chat",
        *,
        headers: Resolvable[Headers] | None = None,
        body: Resolvable[Mapping[str, JSON]] | None = None,
        credentials: Resolvable[Credentials | None] | None = None,
        client: HttpClient | None = None,
        prepare_send: PrepareRequest | None = None,
        prepare_reconnect: PrepareRequest | None = None,
        reconnect: ReconnectPolicy | None = ReconnectPolicy(),  # noqa: B008  # frozen
        connect_timeout_s: float | None = 10.0,
        idle_timeout_s: float | None = 300.0,
        resumes: bool = True,
    ) -> None:
        self._api = api
        self._headers = headers
        self._body = body
        self._credentials = credentials
        self._given_client = client
        self._client: HttpClient | None = None
        self._prepare_send = prepare_send
        self._prepare_reconnect = prepare_reconnect
        self._policy = reconnect
        self._timeout = (connect_timeout_s, idle_timeout_s, idle_timeout_s, connect_timeout_s)
        self._capabilities = Capabilities(
            resumes=resumes,
            replays_on_resume=True,
            stops=True,
            history=True,
            concurrent_runs=True,
        )
        self._own: _ClosableClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Resumes, stops and history; no observing, no presence."""
        return self._capabilities

    async def __aenter__(self) -> Self:
        """Make the HTTP client if none was given. Connects to nothing yet."""
        if self._given_client is None:
            self._own = _make_client()
            self._client = await self._own.__aenter__()
        else:
            self._client = self._given_client
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close our own HTTP client. Runs go on."""
        self._client = None
        if self._own is not None:
            own, self._own = self._own, None
            await own.__aexit__(exc_type, exc, traceback)

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        """POST the conversation and read the reply; a lost connection is taken up again.

        Raises:
            ConnectFailed: If nothing was sent. Safe to repeat.
            RequestRejected: If the server refused.
            StreamInterrupted: If the server may have the prompt but does not say so.
            TransportClosed: If the transport is not entered.

        If cancelled while entering, the prompt may or may not have reached the server.
        """
        post = await self.send_request(request)
        body = await self._post(post, uuid4().hex, request)
        async with self._reading(body, self._reopen_for(request)) as stream:
            yield stream

    @asynccontextmanager
    async def reconnect_to_stream(
        self, request: Reconnect
    ) -> AsyncGenerator[ChunkStream | None, None]:
        """GET the reply that is under way, from its start; None if the server has none.

        Raises:
            ConnectFailed: If the server cannot be reached. Safe to repeat.
            RequestRejected: If the server refused.
            TransportClosed: If the transport is not entered.
        """
        body = await self._get_stream(request, {})
        if body is None:
            yield None
            return
        async with self._reading(body, self._reopen_for(request)) as stream:
            yield stream

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """POST `{id}/stop`."""
        fields = {} if run_id is None else {"runId": run_id}
        await self._call("POST", chat_url(self._api, chat_id, "stop"), chat_id, dump_json(fields))

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        """GET `{id}`.

        Raises:
            RemoteProtocolError: If the answer is not a history.
        """
        query = {"limit": str(limit)} if before is None else {"limit": str(limit), "before": before}
        url, _, fragment = chat_url(self._api, chat_id).partition("#")
        url += ("&" if "?" in url else "?") + urlencode(query)
        data = await self._call("GET", url + (f"#{fragment}" if fragment else ""), chat_id, None)
        try:
            page = load_object(data)
            messages = [UIMessage.model_validate(message) for message in page["messages"]]
            return History(
                messages=messages,
                active_run_id=page.get("activeRunId"),
                has_older=bool(page.get("hasOlder")),
                cursor=page.get("cursor"),
            )
        except (RemoteProtocolError, KeyError, TypeError, ValidationError) as error:
            raise RemoteProtocolError(
                f"unable to load chat {chat_id!r}; the answer is not a history: {error}", data=data
            ) from error

    async def send_request(self, request: SendMessages) -> HttpRequest:
        """Give the POST that `send_messages` would send: options resolved, hook asked."""
        draft = await self._draft(
            request.chat_id,
            request.headers,
            request.body,
            RequestDraft(
                api=self._api,
                id=request.chat_id,
                metadata=request.metadata,
                messages=request.messages,
                trigger=request.trigger,
                message_id=request.message_id,
            ),
        )
        return build_send(draft, await _settle(self._prepare_send, draft))

    async def reconnect_request(self, request: Reconnect) -> HttpRequest:
        """Give the GET that `reconnect_to_stream` would send: options resolved, hook asked."""
        draft = await self._draft(
            request.chat_id,
            request.headers,
            request.body,
            RequestDraft(api=self._api, id=request.chat_id, metadata=request.metadata),
        )
        return build_reconnect(draft, await _settle(self._prepare_reconnect, draft))

    @asynccontextmanager
    async def _reading(
        self, body: _HttpBody, reopen: Callable[[Place], Awaitable[_HttpBody | None]]
    ) -> AsyncGenerator[ChunkStream, None]:
        may_reopen = reopen if self._policy and self._capabilities.resumes else None
        reader = ReplyReader(body, may_reopen, self._policy or ReconnectPolicy())
        async with open_task_group() as tasks:
            tasks.start_soon(reader.pump)
            try:
                yield reader.log.stream()
            finally:
                tasks.cancel_scope.cancel()

    def _reopen_for(
        self, request: SendMessages | Reconnect
    ) -> Callable[[Place], Awaitable[_HttpBody | None]]:
        again = Reconnect(
            chat_id=request.chat_id,
            headers=request.headers,
            body=request.body,
            metadata=request.metadata,
        )

        async def reopen(place: Place) -> _HttpBody | None:
            headers: dict[str, str] = {}
            if place.run_id is not None and place.next is not None:
                headers = {"x-chat-run-id": place.run_id, "last-event-id": str(place.next)}
            return await self._get_stream(again, headers)

        return reopen

    async def _post(self, post: HttpRequest, key: str, request: SendMessages) -> _HttpBody:
        """Send the prompt once: if the answer is lost, ask for the run before sending again."""
        named = {"idempotency-key": key, "x-chat-cursor": "1"}
        try:
            return await self._open(post, named)
        except StreamInterrupted as fault:
            if self._policy is None or not self._capabilities.resumes:
                raise
            lost: Exception = fault
        again = Reconnect(
            chat_id=request.chat_id,
            headers=request.headers,
            body=request.body,
            metadata=request.metadata,
        )
        for attempt in range(self._policy.attempts):
            await anyio.sleep(self._policy.delay_s(attempt))
            try:
                get = await self.reconnect_request(again)
                body = await self._open(get, named)
                if body.status != 204:
                    return body
                await body.close()
                if not body.counts:
                    break  # another server: it may have the prompt, and may not
                return await self._open(post, named)
            except (ConnectFailed, StreamInterrupted) as error:
                lost = error
        raise StreamInterrupted(
            f"unable to tell whether the prompt of chat {request.chat_id!r} arrived; {lost}"
        ) from lost

    async def _get_stream(self, request: Reconnect, extra: Mapping[str, str]) -> _HttpBody | None:
        get = await self.reconnect_request(request)
        body = await self._open(get, {"x-chat-cursor": "1", **extra})
        if body.status == 204:
            await body.close()
            return None
        return body

    async def _draft(
        self, chat_id: str, headers: Headers, body: Mapping[str, JSON], draft: RequestDraft
    ) -> RequestDraft:
        own_headers = await resolve(self._headers)
        own_body = await resolve(self._body)
        return RequestDraft(
            api=draft.api,
            id=chat_id,
            headers=merge_headers(own_headers, headers),
            body={**(own_body or {}), **body},
            credentials=await resolve(self._credentials),
            metadata=draft.metadata,
            messages=draft.messages,
            trigger=draft.trigger,
            message_id=draft.message_id,
        )

    async def _call(self, method: str, url: str, chat_id: str, content: bytes | None) -> bytes:
        headers = merge_headers(
            {"content-type": "application/json"} if content is not None else None,
            await resolve(self._headers),
        )
        credentials = await resolve(self._credentials)
        body = await self._open(
            HttpRequest(
                method=method, url=url, headers=headers, credentials=credentials, body=content
            ),
            {},
        )
        try:
            pieces: list[bytes] = []
            while data := await body.read():
                pieces.append(data)
            return b"".join(pieces)
        finally:
            await body.close()

    async def _open(self, request: HttpRequest, extra: Mapping[str, str]) -> _HttpBody:
        """Send a request and give its answer, refusals raised."""
        if self._client is None:
            raise TransportClosed(f"unable to reach {request.url!r}; the transport is not entered")
        raw = self._client.build_request(
            request.method,
            request.url,
            headers={**extra, **request.headers},
            content=request.body,
            timeout=self._timeout,
        )
        if request.credentials == "omit":
            raw.headers.pop("cookie", None)
        try:
            response = cast("HttpResponse", await self._client.send(raw, stream=True))
        except Exception as error:
            raise translated(error, request.url) from error
        body = _HttpBody(response, request.url)
        if not 200 <= response.status_code < 300:
            raise await _rejected(body)
        return body


class _ClosableClient(HttpClient, Protocol):
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class _HttpBody:
    """An open response, its faults translated."""

    def __init__(self, response: HttpResponse, url: str) -> None:
        self.status = response.status_code
        self.run_id = response.headers.get("x-chat-run-id")
        self.counts = response.headers.get("x-chat-cursor") is not None
        self._response = response
        self._url = url
        self._pieces = response.aiter_bytes()

    async def read(self) -> bytes:
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except Exception as error:
            raise translated(error, self._url) from error
        return b""

    async def close(self) -> None:
        await self._response.aclose()


def _make_client() -> _ClosableClient:
    import httpx2  # noqa: PLC0415  # the extra `http`; a server alone does not need it

    # Each stream holds a connection, so a pool of 100 would be a limit of 100 replies.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx2.AsyncClient(limits=limits, follow_redirects=True)


async def resolve(given: Resolvable[Value] | None) -> Value | None:
    """Give the value that an option stands for now."""
    value = given() if callable(given) else given
    return await value if isawaitable(value) else cast("Value | None", value)


async def _settle(hook: PrepareRequest | None, draft: RequestDraft) -> PreparedRequest | None:
    if hook is None:
        return None
    result = hook(draft)
    return await result if isawaitable(result) else result


_NOTHING_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
_NOT_A_URL = {"UnsupportedProtocol", "InvalidURL"}


def translated(error: Exception, url: str) -> Exception:
    """Give our word for an HTTP library's error, told by its class names: any library's."""
    names = {cls.__name__ for cls in type(error).__mro__}
    said = str(error) or type(error).__name__
    if names & (_NOTHING_SENT | _NOT_A_URL):
        return ConnectFailed(f"unable to reach {url!r}; {said}")
    if names & {"HTTPError", "StreamError", "OSError"}:
        return StreamInterrupted(f"lost the connection to {url!r}; {said}", resumable=True)
    return error


async def _rejected(body: _HttpBody) -> RequestRejected:
    pieces: list[bytes] = []
    size = 0
    try:
        while size < ERROR_BODY_BYTES and (data := await body.read()):
            pieces.append(data)
            size += len(data)
    except StreamInterrupted:
        pieces.append(b"")  # the status says enough
    finally:
        await body.close()
    text = b"".join(pieces)[:ERROR_BODY_BYTES].decode(errors="replace")
    return RequestRejected(
        text or f"the server answered {body.status}", status=body.status, body=text
    )
