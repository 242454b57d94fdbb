"""`HttpChatTransport`: the client's end over HTTP and server-sent events.

Rule: the prompt is sent once; a reply is taken up again from where it was cut.
Source: `DefaultChatTransport` of AI SDK 7.0.173, with stop, history and reconnecting added.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from inspect import isawaitable
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import anyio

from ..._tasks import open_task_group
from ...codecs.text_stream import DROPPED_BY_TEXT
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
from ...codecs.ui_response import rejection
from ...errors import (
    ConnectFailed,
    RemoteProtocolError,
    StreamInterrupted,
    TransportClosed,
)
from ...inputs import Reconnect, SendMessages
from ...transport import Capabilities, ChatTransport, ChunkStream, History
from .http_library import HttpBody, HttpClient, OwnClient, make_client, open_body
from .reply_reader import Place, ReconnectPolicy, ReplyReader
from .stored_messages import read_stored
from .text_reader import TextReader

__all__ = [
    "Headers",
    "HttpChatTransport",
    "PrepareRequest",
    "Resolvable",
    "resolve",
    "settle_request",
]

JSON: TypeAlias = Any  # any JSON value
Value = TypeVar("Value")
Resolvable: TypeAlias = Value | Callable[[], Value | Awaitable[Value]]
"""A value, or a function or coroutine function that gives it anew for each request."""
Headers: TypeAlias = Mapping[str, str | None]
PrepareRequest: TypeAlias = Callable[
    [RequestDraft], PreparedRequest | Awaitable[PreparedRequest | None] | None
]

NO_STREAMS = frozenset({"application/json", "text/html"})
"""Media types that no server gives a stream. Others are read: some send events as text/plain."""


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
        wire: What a reply's body is: chunks, or plain text that is framed as one text part
            (then nothing is resumed).
    """

    def __init__(
        self,
        api: str = "/api/chat",
        *,
        headers: Resolvable[Headers] | None = None,
        body: Resolvable[Mapping[str, JSON]] | None = None,
        credentials: Resolvable[Credentials] | None = None,
        client: HttpClient | None = None,
        prepare_send: PrepareRequest | None = None,
        prepare_reconnect: PrepareRequest | None = None,
        reconnect: ReconnectPolicy | None = ReconnectPolicy(),  # noqa: B008  # frozen
        connect_timeout_s: float | None = 10.0,
        idle_timeout_s: float | None = 300.0,
        resumes: bool = True,
        wire: Literal["ui-message-stream", "text"] = "ui-message-stream",
    ) -> None:
        self._api = api
        self._headers = headers
        self._body = body
        self._credentials = credentials
        self._given_client = client
        self._client: HttpClient | None = None
        self._prepare_send = prepare_send
        self._prepare_reconnect = prepare_reconnect
        self._is_text = wire == "text"
        self._policy = None if self._is_text else reconnect
        self._timeouts = (connect_timeout_s, idle_timeout_s, idle_timeout_s, connect_timeout_s)
        self._capabilities = Capabilities(
            resumes=resumes and not self._is_text,
            replays_on_resume=True,
            stops=True,
            history=True,
            concurrent_runs=True,
            drops=DROPPED_BY_TEXT if self._is_text else frozenset(),
        )
        self._own: OwnClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Resumes, stops and history; no observing, no presence."""
        return self._capabilities

    async def __aenter__(self) -> Self:
        """Make the HTTP client if none was given. Connects to nothing yet."""
        if self._given_client is None:
            self._own = make_client()
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
            RemoteProtocolError: If the answer is a page or JSON, not a stream.
            TransportClosed: If the transport is not entered.

        If cancelled while entering, the prompt may or may not have reached the server.
        """
        post = await self.send_request(request)
        body = await self._post(post, uuid4().hex, request)
        if body.status == 204:
            await body.close()
            raise rejection(204, "")
        async with self._reading(body, self._reopen_for(request), "0") as stream:
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
        async with self._reading(body, self._reopen_for(request), None) as stream:
            yield stream

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """POST `{id}/stop`."""
        fields = {} if run_id is None else {"runId": run_id}
        await self._call("POST", chat_url(self._api, chat_id, "stop"), chat_id, dump_json(fields))

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        """GET `{id}`. What cannot be read of it is left out, with a warning in the log.

        Raises:
            RemoteProtocolError: If the answer is not a history.
        """
        query = {"limit": str(limit)} if before is None else {"limit": str(limit), "before": before}
        url, _, fragment = chat_url(self._api, chat_id).partition("#")
        url += ("&" if "?" in url else "?") + urlencode(query)
        data = await self._call("GET", url + (f"#{fragment}" if fragment else ""), chat_id, None)
        try:
            page = load_object(data)
            stored = page["messages"]
            if not isinstance(stored, list):
                raise TypeError("`messages` is not a list")  # noqa: TRY301  # one sentence for all
            return History(
                messages=read_stored(stored, chat_id=chat_id),
                active_run_id=page.get("activeRunId"),
                has_older=bool(page.get("hasOlder")),
                cursor=page.get("cursor"),
            )
        except (RemoteProtocolError, KeyError, TypeError) as error:
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
        return build_send(draft, await settle_request(self._prepare_send, draft))

    async def reconnect_request(self, request: Reconnect) -> HttpRequest:
        """Give the GET that `reconnect_to_stream` would send: options resolved, hook asked."""
        draft = await self._draft(
            request.chat_id,
            request.headers,
            request.body,
            RequestDraft(api=self._api, id=request.chat_id, metadata=request.metadata),
        )
        return build_reconnect(draft, await settle_request(self._prepare_reconnect, draft))

    @asynccontextmanager
    async def _reading(
        self,
        body: HttpBody,
        reopen: Callable[[Place], Awaitable[HttpBody | None]],
        place: str | None,
    ) -> AsyncGenerator[ChunkStream, None]:
        reader: ReplyReader | TextReader
        if self._is_text:
            reader = TextReader(body)
        elif body.media_type in NO_STREAMS:
            await body.close()
            raise RemoteProtocolError(
                f"unable to read a reply from {body.url!r}; it is {body.media_type}, "
                "not text/event-stream: is this the chat's address?"
            )
        else:
            may_reopen = reopen if self._policy and self._capabilities.resumes else None
            policy = self._policy or ReconnectPolicy()
            reader = ReplyReader(body, may_reopen, policy, place=place)
        async with open_task_group() as tasks:
            tasks.start_soon(reader.pump)
            try:
                yield reader.log.stream()
            finally:
                tasks.cancel_scope.cancel()

    def _reopen_for(
        self, request: SendMessages | Reconnect
    ) -> Callable[[Place], Awaitable[HttpBody | None]]:
        again = Reconnect(
            chat_id=request.chat_id,
            headers=request.headers,
            body=request.body,
            metadata=request.metadata,
        )

        async def reopen(place: Place) -> HttpBody | None:
            headers: dict[str, str] = {}
            if place.run_id is not None:
                headers["x-chat-run-id"] = place.run_id
            if place.next is not None:
                headers["last-event-id"] = place.next
            return await self._get_stream(again, headers)

        return reopen

    async def _post(self, post: HttpRequest, key: str, request: SendMessages) -> HttpBody:
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
        attempt, since = 0, anyio.current_time()
        while self._policy.allows(attempt, since):
            await anyio.sleep(self._policy.delay_s(attempt))
            attempt += 1
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

    async def _get_stream(self, request: Reconnect, extra: Mapping[str, str]) -> HttpBody | None:
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
            credentials=await self._cookie_rule(),
            metadata=draft.metadata,
            messages=draft.messages,
            trigger=draft.trigger,
            message_id=draft.message_id,
        )

    async def _cookie_rule(self) -> Credentials | None:
        return await resolve(self._credentials)  # pyright: ignore[reportReturnType]  # widens the Literal

    async def _call(self, method: str, url: str, chat_id: str, content: bytes | None) -> bytes:
        headers = merge_headers(
            {"content-type": "application/json"} if content is not None else None,
            await resolve(self._headers),
        )
        credentials = await self._cookie_rule()
        body = await self._open(
            HttpRequest(
                method=method, url=url, headers=headers, credentials=credentials, body=content
            ),
            {},
        )
        return await body.read_all()

    async def _open(self, request: HttpRequest, extra: Mapping[str, str]) -> HttpBody:
        """Send a request and give its answer, refusals raised."""
        if self._client is None:
            raise TransportClosed(
                f"unable to reach {request.url!r}; the transport is not entered: use `async with`"
            )
        return await open_body(self._client, request, extra, self._timeouts)


async def resolve(given: Resolvable[Value] | None) -> Value | None:
    """Give the value that an option stands for now."""
    value = given() if callable(given) else given
    return await value if isawaitable(value) else value  # pyright: ignore[reportReturnType]  # callable() cannot narrow a TypeVar


async def settle_request(
    hook: PrepareRequest | None, draft: RequestDraft
) -> PreparedRequest | None:
    """Give what a prepare hook makes of a request; None if there is none, or it keeps all."""
    if hook is None:
        return None
    result = hook(draft)
    return await result if isawaitable(result) else result
