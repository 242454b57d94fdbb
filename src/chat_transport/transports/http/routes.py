"""The endpoints of a chat server: send, resume, stop, history.

Rule: authenticate first, then read; check the right to the chat before anything is told of it.
A run belongs to the application, not to the request that asked for it.
Source: AI SDK 7.0.173 `DefaultChatTransport`; docs/reference/http.md lists what is ours.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from ..._chunk_log import ChunkLog
from ...agent.run import Run, User
from ...agent.runtime import ActiveRun, Agent
from ...agent.trust import believe
from ...chunks import Error, Finish, OpaqueChunk, UIMessageChunk
from ...codecs.client_profiles import V7
from ...codecs.retold import retold
from ...codecs.ui_request import ChatRequest, load_object, parse_chat_request
from ...codecs.ui_response import response_headers
from ...codecs.ui_stream import encode_sse
from ...errors import ConnectFailed, RemoteProtocolError
from ...inputs import SendMessages
from ...messages import UIMessage
from .chat_store import ChatStore, StoredChat
from .exchange import HttpError, IncomingRequest, Receive, Send, read_body, respond, respond_json
from .keep_alive import KeepAlive
from .partial_reply import folded_partial
from .profile_choice import profile_for
from .reply_beginning import find_beginning
from .run_log import LoggedRun, RunLog
from .settings import HttpSettings, Invocation
from .sse_body import SseBody, SseFormat

__all__ = ["ChatRoutes"]

JSON: TypeAlias = Any  # any JSON value
_log = logging.getLogger("chat_transport.http")
Answer = TypeVar("Answer")
CURSOR_HEADER = "x-chat-cursor"
"""Asked for by our client: each event's place in the run. Sent back where it is honoured."""
RUN_HEADER = "x-chat-run-id"
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
        tasks: Keeps finished replies; outlives every request.
    """

    def __init__(
        self,
        settings: HttpSettings,
        agent: Agent,
        run_log: RunLog,
        store: ChatStore,
        tasks: TaskGroup,
    ) -> None:
        self.settings = settings
        self._agent = agent
        self._run_log = run_log
        self._store = store
        self._tasks = tasks
        self._unsaved: dict[str, list[ActiveRun]] = {}
        self._saved = anyio.Event()
        self.keep_alive = KeepAlive(settings.keep_alive_s)
        tasks.start_soon(self.keep_alive.run, tasks)

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
        key = request.headers.get("idempotency-key")
        await self.authorize(user, wish.chat_id)
        if key is not None:
            known = await self.find_for(user, wish.chat_id, request_key=key)
            if known is not None:
                await self._serve_known(known, request, receive, send)
                return
        active = await self.begin(wish, user, key)
        delivered = await self._stream(active.log, active.run, request, receive, send)
        if not delivered and self.settings.on_disconnect == "stop":
            active.stop("the client left")

    async def begin(self, wish: ChatRequest, user: User, key: str | None = None) -> ActiveRun:
        """Start a run for a wish whose user may use the chat.

        Raises:
            HttpError: If the chat is another's, or the wish does not fit it.
        """
        await self._run_log.find(wish.chat_id)  # keeps the reply of a run whose process died
        stored = await self._load(wish.chat_id)
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
        active = self._agent.start(replace(request, run_id=uuid4().hex))
        self._unsaved.setdefault(wish.chat_id, []).append(active)
        logged = LoggedRun(
            chat_id=wish.chat_id, run_id=active.run.run_id, owner=chat.owner, request_key=key
        )
        self._tasks.start_soon(self._keep, active, request.messages)
        try:
            await self._run_log.start(logged, active.log, active.stop)
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
            request_key=request.headers.get("idempotency-key"),
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
        stored = await self._load(chat_id) or StoredChat()
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
        user = await settle(hook(request))
        if user is None:
            raise HttpError(401, "authentication is required")
        return user

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
        goes_on = {RUN_HEADER, "idempotency-key"} & request.headers.keys()  # has the beginning
        before = None if goes_on else await self.before(run, log)
        await self._stream(log, run, request, receive, send, before=before)

    async def before(self, run: LoggedRun, log: ChunkLog) -> UIMessage | None:
        """Give the message that the run goes on with, as it was when the run began; else None."""
        local = self._unsaved.get(run.chat_id, [])
        return await find_beginning(run, log, local, self._store, self._run_log)

    async def _stream(
        self,
        log: ChunkLog,
        run: Run | LoggedRun,
        request: IncomingRequest,
        receive: Receive,
        send: Send,
        *,
        before: UIMessage | None = None,
    ) -> bool:
        cursor = CURSOR_HEADER in request.headers
        start = _whole_number(request.headers.get("last-event-id", "0")) if cursor else 0
        keep = partial(self.keep_orphan, run.chat_id, log)
        form = self._format(request, keep, cursor=cursor)
        headers = {**_SSE_HEADERS, RUN_HEADER: run.run_id}
        if cursor:
            headers[CURSOR_HEADER] = "1"
        if before is not None and start == 0:
            prelude = tuple(retold(before))  # says `start` itself
            body = SseBody(log, form, self.keep_alive, start=1, prelude=prelude)
        else:
            body = SseBody(log, form, self.keep_alive, start=start, exact=start > 0)
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
            coalesce_s=self.settings.coalesce_s,
            cursor=cursor,
        )

    async def find_orphan(self, run: LoggedRun) -> None:
        """Keep the partial reply of a run whose process died."""
        log = await self._run_log.follow(run)
        if log is not None:
            await self.keep_orphan(run.chat_id, log)

    async def keep_orphan(self, chat_id: str, log: ChunkLog) -> None:
        """Put into the store what a run said before its process died. Twice does no harm."""
        try:
            await self._keep_partial(chat_id, log)
        except Exception:  # noqa: BLE001  # the application's store: this reply is lost, no other
            _log.exception("unable to keep the interrupted reply of run %r", log.run_id)

    async def _keep_partial(self, chat_id: str, log: ChunkLog) -> None:
        stored = await self._store.load(chat_id) or StoredChat()
        last = stored.messages[-1] if stored.messages else None
        reply = folded_partial(log.since(0), last)
        if reply is not None:
            await self._store.put(chat_id, reply, after_id=last.id if last else None)

    async def _load(self, chat_id: str) -> StoredChat | None:
        """Give the chat with every reply that has ended in this process."""
        while any(active.state != "active" for active in self._unsaved.get(chat_id, ())):
            await self._saved.wait()
        return await self._store.load(chat_id)

    async def _keep(self, active: ActiveRun, messages: Sequence[UIMessage]) -> None:
        """Put the reply into the store when the run has ended, however it ended."""
        end = await active.wait()
        reply, after_id = end.response_message, messages[-1].id if messages else None
        try:
            if reply.parts:
                await self._store.put(active.run.chat_id, reply, after_id=after_id)
        except Exception:  # noqa: BLE001  # the application's store: this reply is lost, no other
            _log.exception("unable to keep the reply of run %r", active.run.run_id)
        finally:
            waiting = self._unsaved[active.run.chat_id]
            waiting.remove(active)
            if not waiting:
                del self._unsaved[active.run.chat_id]
            self._saved.set()
            self._saved = anyio.Event()


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


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HttpError(400, f"not a whole number: {text!r}")
    return int(text)
