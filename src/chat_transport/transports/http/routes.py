"""The endpoints of a chat server: send, resume, stop, history.

Rule: authenticate first, then read; check the right to the chat before anything is told of it.
A run belongs to the application, not to the request that asked for it.
Source: AI SDK 7.0.173 `DefaultChatTransport`; docs/how-to/http.md lists what is ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4
from weakref import WeakSet

import anyio

from ..._chunk_log import ChunkLog
from ...agent.run import User
from ...agent.runtime import ActiveRun, Agent
from ...agent.trust import believe
from ...chunks import Error, Finish, OpaqueChunk, UIMessageChunk
from ...codecs.client_profiles import V7
from ...codecs.ui_request import ChatRequest, load_object, parse_chat_request
from ...codecs.ui_response import response_headers
from ...codecs.ui_stream import encode_sse
from ...errors import ConnectFailed, RemoteProtocolError
from ...inputs import SendMessages
from ...messages import UIMessage
from .chat_store import ChatStore, StoredChat
from .exchange import HttpError, IncomingRequest, Receive, Send, read_body, respond, respond_json
from .gather_clock import GatherClock
from .keep_alive import KeepAlive
from .profile_choice import profile_for
from .reply_keeping import ReplyKeeper, logged
from .reply_place import ReplyPlace
from .run_log import LoggedRun, RunLog
from .settings import HttpSettings, Invocation
from .sse_body import SseBody, SseFormat

__all__ = ["ChatRoutes"]

JSON: TypeAlias = Any  # any JSON value
Answer = TypeVar("Answer")
CURSOR_HEADER = "x-chat-cursor"
"""Asked for by our client: each event's place in the run. Sent back where it is honoured."""
RUN_HEADER = "x-chat-run-id"
KEY_HEADER = "idempotency-key"
"""Names a wish: the same one again is the same run."""
INTERRUPTED_TEXT = "the run was interrupted: its server stopped"
_SSE_HEADERS = response_headers()


async def settle(value: Answer | Awaitable[Answer]) -> Answer:
    """Give what a hook returned, or what it returned promises."""
    if isinstance(value, Awaitable):
        given: Answer = await value
        return given
    return value


class ChatRoutes:
    """What a chat server answers with, while it runs.

    Args:
        settings: The application's decisions.
        agent: Entered; runs live in it.
        run_log: Entered; finds runs of this and other processes.
        store: Entered; believed.
        keep_alive: Running.
        gather: Running; None writes each chunk at once.
    """

    def __init__(
        self,
        settings: HttpSettings,
        agent: Agent,
        run_log: RunLog,
        store: ChatStore,
        keep_alive: KeepAlive,
        *,
        gather: GatherClock | None = None,
    ) -> None:
        self.settings = settings
        self._agent = agent
        self._run_log = run_log
        self._store = store
        self._keeper = ReplyKeeper(store, timeout_s=settings.store_timeout_s)
        self._keep_alive = keep_alive
        self._gather = gather
        self._begun: WeakSet[ActiveRun] = WeakSet()

    async def send(self, request: IncomingRequest, receive: Receive, send: Send) -> None:
        """Start a run and stream it; the same idempotency key again follows the same run."""
        user = await self.authenticate(request)
        body = await read_body(request, receive, self.settings.limits.body_bytes)
        try:
            fields = load_object(body)
            if "messages" not in fields and "sessionName" in fields:
                await self._invoke(fields, user, send)
                return
            wish = parse_chat_request(fields, self.settings.limits)
        except RemoteProtocolError as error:
            raise HttpError(400, str(error)) from error
        await self.authorize(user, wish.chat_id)
        active = await self.begin_once(wish, user, request.headers.get(KEY_HEADER))
        if isinstance(active, LoggedRun):
            await self._serve_known(active, request, receive, send)
            return
        run = logged(active, owner=user.id)
        delivered = await self._stream(active.log, run, request, receive, send)
        if not delivered and self.settings.on_disconnect == "stop":
            active.stop("the client left")

    async def begin_once(
        self, wish: ChatRequest, user: User, key: str | None
    ) -> ActiveRun | LoggedRun:
        """Start a run, or give the one that the same idempotency key has started.

        Raises:
            HttpError: As `begin` does, and if that run is forgotten.
        """
        if key is not None and not await self._run_log.reserve(wish.chat_id, key):
            known = await self.find_for(user, wish.chat_id, request_key=key)
            if known is None:
                raise HttpError(409, "this request was answered before, and its reply is past")
            return known
        try:
            return await self.begin(wish, user, key)
        except BaseException:
            if key is not None:
                with anyio.CancelScope(shield=True):
                    await self._run_log.give_back(wish.chat_id, key)
            raise

    async def begin(self, wish: ChatRequest, user: User, key: str | None = None) -> ActiveRun:
        """Start a run for a wish whose user may use the chat.

        Raises:
            HttpError: If the chat is another's, or the wish does not fit it.
        """
        await self._run_log.find(wish.chat_id)  # keeps the reply of a run whose process died
        stored = await self._store.load(wish.chat_id)
        chat = stored or StoredChat(owner=user.id)
        self._check_owner(chat.owner, user, wish.chat_id)
        try:
            request = believe(
                _claim(wish),
                stored=stored.messages if stored else None,
                user=user,
                rules=self.settings.trust,
            )
        except RemoteProtocolError as error:
            raise HttpError(409, str(error)) from error
        await self._store.save(
            wish.chat_id, StoredChat(messages=request.messages, owner=chat.owner)
        )
        active = self._agent.start(replace(request, run_id=uuid4().hex), keep=self._keeper.keep)
        self._begun.add(active)
        run = logged(active, owner=chat.owner, request_key=key)
        try:
            await self._run_log.start(run, active.log, active.stop)
        except ConnectFailed:
            active.stop("the run log cannot be reached")
            raise
        return active

    async def resume(
        self, request: IncomingRequest, receive: Receive, send: Send, chat_id: str
    ) -> None:
        """Stream the chat's active run from its `start`; 204 if none is active."""
        user = await self.authenticate(request)
        await self.authorize(user, chat_id)
        run = await self.find_for(
            user,
            chat_id,
            run_id=request.headers.get(RUN_HEADER),
            request_key=request.headers.get(KEY_HEADER),
        )
        if run is None:
            await respond(send, 204, headers={CURSOR_HEADER: "1"})
        else:
            await self._serve_known(run, request, receive, send)

    async def stop(
        self, request: IncomingRequest, receive: Receive, send: Send, chat_id: str
    ) -> None:
        """Ask the run named in the body, or every active run of the chat, to end."""
        user = await self.authenticate(request)
        await self.authorize(user, chat_id)
        body = await read_body(request, receive, self.settings.limits.body_bytes)
        run_id = None
        if body.strip():
            try:
                run_id = load_object(body).get("runId")
            except RemoteProtocolError as error:
                raise HttpError(400, str(error)) from error
            if run_id is not None and not isinstance(run_id, str):
                raise HttpError(400, "`runId` must be a string")
        await self.find_for(user, chat_id, run_id=run_id)
        await respond_json(send, {"stopped": await self.stop_run(chat_id, run_id)})

    async def stop_run(self, chat_id: str, run_id: str | None = None) -> int:
        """Ask a run, or every run of the chat, to end. Gives how many were asked."""
        return await self._run_log.stop(chat_id, run_id)

    async def find_for(
        self,
        user: User,
        chat_id: str,
        *,
        run_id: str | None = None,
        request_key: str | None = None,
    ) -> LoggedRun | None:
        """Give a run of the chat, the active one unless it is named.

        Raises:
            HttpError: If it is another user's.
        """
        run = await self._run_log.find(chat_id, run_id=run_id, request_key=request_key)
        if run is not None:
            self._check_owner(run.owner, user, chat_id)
        return run

    async def follow(self, run: LoggedRun) -> ChunkLog | None:
        """Give what the run says; None if it is gone."""
        return await self._run_log.follow(run)

    async def history(self, request: IncomingRequest, send: Send, chat_id: str) -> None:
        """Give a page of the chat's messages, and the run that is active."""
        user = await self.authenticate(request)
        await self.authorize(user, chat_id)
        limit = _whole_number(request.query.get("limit", "100"))
        run = await self._run_log.find(chat_id)
        stored = await self._store.load(chat_id) or StoredChat()
        self._check_owner(stored.owner, user, chat_id)
        messages = list(stored.messages)
        before = request.query.get("before")
        if before is not None:
            place = next((i for i, m in enumerate(messages) if m.id == before), None)
            if place is None:
                raise HttpError(400, f"`before` names no message of the chat: {before!r}")
            messages = messages[:place]
        page = messages[-limit:] if limit else []
        has_older = len(page) < len(messages)
        await respond_json(
            send,
            {
                "id": chat_id,
                "messages": [message.to_wire() for message in page],
                "activeRunId": run.run_id if run else None,
                "hasOlder": has_older,
                "cursor": page[0].id if has_older else None,
            },
        )

    async def authenticate(self, request: IncomingRequest) -> User:
        """Give who asks.

        Raises:
            HttpError: 401 if the hook knows nobody.
        """
        hook = self.settings.authenticate
        if hook is None:
            return User()
        return _user(await settle(hook(request)))

    async def authorize(self, user: User, chat_id: str) -> None:
        """Raise HttpError unless the user may use the chat."""
        longest = self.settings.limits.chat_id_chars
        if longest is not None and len(chat_id) > longest:
            raise HttpError(400, f"chat id is longer than {longest} characters")
        hook = self.settings.authorize
        if hook is not None and not await settle(hook(user, chat_id)):
            raise HttpError(403, f"chat {chat_id!r} is not yours")

    def _check_owner(self, owner: str | None, user: User, chat_id: str) -> None:
        """Without a hook of the application's own, a chat belongs to who began it."""
        if self.settings.authorize is None and owner is not None and owner != user.id:
            raise HttpError(403, f"chat {chat_id!r} is not yours")

    async def _invoke(self, fields: dict[str, JSON], user: User, send: Send) -> None:
        hook = self.settings.on_invocation
        if hook is None:
            raise HttpError(404, "this server takes no invocations of Ably sessions")
        session, event = fields["sessionName"], fields.get("inputEventId")
        if not isinstance(session, str) or not isinstance(event, str):
            raise HttpError(400, "`sessionName` and `inputEventId` must be strings")
        call = Invocation(session_name=session, input_event_id=event, user=user, body=fields)
        await respond_json(send, await hook(call) or {})

    async def _serve_known(
        self, run: LoggedRun, request: IncomingRequest, receive: Receive, send: Send
    ) -> None:
        log = await self._run_log.follow(run)
        if log is None:
            await respond(send, 204, headers={CURSOR_HEADER: "1"})
            return
        await self._stream(log, run, request, receive, send, before=run.begins_with)

    async def _stream(
        self,
        log: ChunkLog,
        run: LoggedRun,
        request: IncomingRequest,
        receive: Receive,
        send: Send,
        *,
        before: UIMessage | None = None,
    ) -> bool:
        cursor = CURSOR_HEADER in request.headers
        said = request.headers.get("last-event-id")
        place = parse_place(said) if cursor and said is not None else None
        keep = partial(self.keep_orphan, run, log)
        form = self._format(request, keep, cursor=cursor)
        headers = {**_SSE_HEADERS, RUN_HEADER: run.run_id}
        if cursor:
            headers[CURSOR_HEADER] = "1"
        if KEY_HEADER in request.headers:
            before = None  # it asked for the run with what was before it in its hands
        body = SseBody(log, form, self._keep_alive, place=place, before=before)
        return await body.serve(headers, receive, send)

    def _format(
        self, request: IncomingRequest, keep: Callable[[], Awaitable[None]], *, cursor: bool
    ) -> SseFormat:
        profile = profile_for(request, self.settings.profile)
        ending: UIMessageChunk = Finish(finish_reason="interrupted")
        if profile.admit(ending) != ending:  # this client would take it for a good end
            ending = Error(error_text=INTERRUPTED_TEXT)
        admit = _known if profile is V7 else profile.admit
        return SseFormat(
            encode=encode_sse,
            admit=None if cursor else admit,
            interrupted=ending,
            on_interrupted=keep,
            gather=self._gather,
            cursor=cursor,
        )

    async def end_all(self) -> None:
        """Stop every run that was begun here and wait until it is kept."""
        under_way = list(self._begun)
        for active in under_way:
            active.stop("the server closed")
        for active in under_way:
            await active.wait()

    async def find_orphan(self, run: LoggedRun) -> None:
        """Keep the partial reply of a run whose process died."""
        log = await self._run_log.follow(run)
        if log is not None:
            await self.keep_orphan(run, log)

    async def keep_orphan(self, run: LoggedRun, log: ChunkLog) -> None:
        """Put into the store what a run said before its process died. Twice does no harm."""
        await self._keeper.keep_orphan(run, log)


def _claim(wish: ChatRequest) -> SendMessages:
    return SendMessages(
        chat_id=wish.chat_id,
        messages=wish.messages,
        trigger=wish.trigger,
        message_id=wish.message_id,
        body=wish.extra,
    )


def _known(chunk: UIMessageChunk) -> UIMessageChunk | None:
    return None if type(chunk) is OpaqueChunk else chunk


def parse_place(text: str) -> ReplyPlace:
    """Read what a client says of where it goes on; HttpError if that is no place."""
    try:
        return ReplyPlace.parse(text)
    except ValueError as error:
        raise HttpError(400, str(error)) from error


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HttpError(400, f"not a whole number: {text!r}")
    return int(text)


def _user(given: object) -> User:
    if given is None:
        raise HttpError(401, "authentication is required")
    if not isinstance(given, User):
        raise TypeError(
            f"unable to know who asks; `authenticate` gave a {type(given).__name__}: "
            "give a User(id=...), or None to refuse"
        )
    return given
