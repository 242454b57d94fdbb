"""The ASGI application: finds the endpoint, opens what it needs, mounts anywhere.

Rule: nothing runs before the application is entered, by its server's lifespan or by
`app.lifespan`; leaving it stops every run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import get_args

from ..._tasks import open_task_group
from ...agent._shapes import check_handler
from ...agent.run import Handler
from ...agent.runtime import Agent
from ...agent.trust import TrustRules
from ...codecs.ui_request import RequestLimits
from ...errors import ConnectFailed, LocalProtocolError
from .chat_store import ChatStore, MemoryChatStore
from .cors import CorsPolicy, with_headers
from .exchange import (
    ASGIApp,
    ClientLeft,
    HttpError,
    IncomingRequest,
    Receive,
    Scope,
    Send,
    path_segments,
    respond,
    respond_json,
    respond_text,
)
from .gather_clock import GatherClock
from .keep_alive import KeepAlive
from .openapi import describe
from .routes import ChatRoutes
from .run_log import LoggedRun, MemoryRunLog, RunLog
from .settings import (
    Authenticate,
    Authorize,
    DisconnectPolicy,
    HttpSettings,
    OnInvocation,
    ProfileChoice,
)
from .websocket_rules import WebSocketRules
from .websocket_server import serve_websocket

__all__ = ["ChatApp", "create_app"]


def create_app(
    agent: Agent | Handler,
    *,
    path: str = "/api/chat",
    store: ChatStore | None = None,
    run_log: RunLog | None = None,
    authenticate: Authenticate | None = None,
    authorize: Authorize | None = None,
    profile: ProfileChoice = "auto",
    on_disconnect: DisconnectPolicy = "continue",
    keep_alive_s: float | None = 15.0,
    coalesce_s: float = 0.0,
    store_timeout_s: float | None = 10.0,
    limits: RequestLimits | None = None,
    trust: TrustRules | None = None,
    cors: CorsPolicy | None = None,
    websocket: WebSocketRules | None = None,
    on_invocation: OnInvocation | None = None,
    otherwise: ASGIApp | None = None,
) -> ChatApp:
    """Give an ASGI application that `useChat` and `HttpChatTransport` talk to.

    Args:
        agent: A handler, or an `Agent` that the caller has entered.
        path: Where it answers; useChat's default.
        store: Where chats are kept; in memory if None. Opened and closed with the application.
        run_log: Where runs are found; of this process alone if None. Opened and closed with it.
        authenticate: Gives `run.user`; None lets everybody in as nobody.
        authorize: Who may use which chat; None: a chat belongs to the user that began it.
        profile: Which AI SDK the clients have; `auto` takes their word, else v7.
        on_disconnect: Whether the run goes on when the client that asked for it leaves.
        keep_alive_s: Seconds of silence before a comment is sent; None for never.
        coalesce_s: Seconds to gather chunks after each write; 0 writes each at once. 0.1
            saves two fifths of the CPU at 50 words a second; none of them waits for longer.
        store_timeout_s: Seconds that the store may take to keep a reply; then, and if it fails,
            the reply ends with `error`. None waits for ever.
        limits: What a request may weigh.
        trust: How much of a client's word is taken. A chat that the store knows is read from
            there; of another, the client's history is taken as far as it can be believed.
        cors: Which pages from elsewhere may call, and open a WebSocket; None for none.
        websocket: What a client may do over a WebSocket.
        on_invocation: Wakes an Ably agent when Ably's JavaScript client asks.
        otherwise: The application that gets every other path, and the lifespan.

    Raises:
        TypeError: If the handler cannot be called, or a store or run log is something else.
        ValueError: If there is no such profile.
    """
    if not isinstance(agent, Agent):
        check_handler(agent)
    _check_kept(store, ChatStore, "store", "SqliteChatStore(path)")
    _check_kept(run_log, RunLog, "run_log", "RedisRunLog(url)")
    if profile not in get_args(ProfileChoice):
        words = ", ".join(map(repr, get_args(ProfileChoice)))
        raise ValueError(f"unable to write for profile={profile!r}; say {words}")
    settings = HttpSettings(
        path=path,
        authenticate=authenticate,
        authorize=authorize,
        profile=profile,
        on_disconnect=on_disconnect,
        keep_alive_s=keep_alive_s,
        coalesce_s=coalesce_s,
        store_timeout_s=store_timeout_s,
        limits=limits or RequestLimits(),
        trust=trust or TrustRules(),
        cors=cors,
        websocket=websocket or WebSocketRules(),
        on_invocation=on_invocation,
    )
    return ChatApp(
        agent, settings, store or MemoryChatStore(), run_log or MemoryRunLog(), otherwise
    )


class ChatApp:
    """An ASGI application; made by `create_app`."""

    def __init__(
        self,
        agent: Agent | Handler,
        settings: HttpSettings,
        store: ChatStore,
        run_log: RunLog,
        otherwise: ASGIApp | None = None,
    ) -> None:
        self._agent = agent
        self._settings = settings
        self._store = store
        self._run_log = run_log
        self._otherwise = otherwise
        self._routes: ChatRoutes | None = None

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None, None]:
        """Run until the block is left; give it to a framework: `FastAPI(lifespan=chat.lifespan)`.

        Leaving stops every run of this process; their partial replies are kept.
        """
        if self._routes is not None:
            raise LocalProtocolError("unable to start the chat application twice; it runs already")
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(self._store)
            routes: ChatRoutes | None = None

            async def keep(run: LoggedRun) -> None:
                if routes is not None:
                    await routes.find_orphan(run)

            self._run_log.on_orphan = keep
            run_log = await stack.enter_async_context(self._run_log)
            tasks = await stack.enter_async_context(open_task_group())
            agent = self._agent
            if not isinstance(agent, Agent):
                agent = await stack.enter_async_context(Agent(agent))
            keep_alive = KeepAlive(self._settings.keep_alive_s)
            tasks.start_soon(keep_alive.run, tasks)
            stack.callback(keep_alive.stop)
            gather = None
            if self._settings.coalesce_s:
                gather = GatherClock(self._settings.coalesce_s)
                tasks.start_soon(gather.run)
                stack.callback(gather.stop)
            self._routes = routes = ChatRoutes(
                self._settings, agent, run_log, store, keep_alive, gather=gather
            )
            stack.push_async_callback(routes.end_all)
            try:
                yield
            finally:
                self._routes = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        segments = path_segments(scope, self._settings.path)
        if segments is None and self._otherwise is not None:
            await self._otherwise(scope, receive, send)
        elif scope["type"] == "http":
            request = IncomingRequest.from_scope(scope, segments or ())
            await self._answer(request, receive, send, found=segments is not None)
        elif scope["type"] == "websocket":
            routes = self._running()
            if segments == ():
                request = IncomingRequest.from_scope(scope, ())
                await serve_websocket(routes, request, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1000})  # before accept: a 403

    async def _answer(
        self, request: IncomingRequest, receive: Receive, send: Send, *, found: bool
    ) -> None:
        cors = self._settings.cors
        if cors is not None:
            if request.method == "OPTIONS":
                await respond(send, 204, headers=cors.preflight_for(request))
                return
            send = with_headers(send, cors.headers_for(request))
        if not found:
            await respond_text(send, 404, f"nothing here; chats are at {self._settings.path!r}")
            return
        try:
            await self._dispatch(request, receive, send)
        except HttpError as error:
            await respond_text(send, error.status, error.text, error.headers)
        except ConnectFailed as error:  # the run log or the store is away: try again later
            await respond_text(send, 503, str(error), {"retry-after": "1"})
        except ClientLeft:
            return

    async def _dispatch(self, request: IncomingRequest, receive: Receive, send: Send) -> None:
        routes = self._running()
        match request.method, request.segments:
            case "POST", ():
                await routes.send(request, receive, send)
            case "GET", ("openapi.json",):
                await respond_json(send, describe(self._settings))
            case "GET", (chat_id,):
                await routes.history(request, send, chat_id)
            case "GET", (chat_id, "stream"):
                await routes.resume(request, receive, send, chat_id)
            case "POST", (chat_id, "stop"):
                await routes.stop(request, receive, send, chat_id)
            case _, ():
                raise _not_allowed(request, "POST")
            case _, (_,) | (_, "stream"):
                raise _not_allowed(request, "GET")
            case _, (_, "stop"):
                raise _not_allowed(request, "POST")
            case _:
                raise HttpError(404, "no such endpoint")

    def _running(self) -> ChatRoutes:
        if self._routes is None:
            raise LocalProtocolError(
                "unable to answer; the chat application is not running: give "
                "`lifespan=chat.lifespan` to the framework that mounts it, "
                "or `otherwise=app` to create_app"
            )
        return self._routes

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run for the server's lifespan, and let the other application have its own inside."""
        asked = False

        async def receiving() -> Mapping[str, object]:
            nonlocal asked
            asked = True
            return await receive()

        try:
            async with self.lifespan():
                if self._otherwise is not None:
                    try:
                        await self._otherwise(scope, receiving, send)  # type: ignore[arg-type]  # messages are mappings
                    except Exception:
                        if asked:
                            raise
                        # It knows no lifespan (Django): ASGI says to raise, and to go on without.
                    if asked:
                        return
                await receive()
                await send({"type": "lifespan.startup.complete"})
                asked = True
                await receive()
        except Exception as error:
            if asked:
                raise
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


def _check_kept(given: object, wanted: type, name: str, example: str) -> None:
    if given is not None and not isinstance(given, wanted):
        raise TypeError(
            f"unable to use {given!r} as the {name}; "
            f"give an object of {wanted.__name__}, such as {example}"
        )


def _not_allowed(request: IncomingRequest, allowed: str) -> HttpError:
    return HttpError(
        405, f"{request.method} is not allowed here; use {allowed}", {"allow": allowed}
    )
