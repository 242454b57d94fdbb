"""The ASGI application around an `AblyAgent`: it lives with the server, invocations wake it.

Rule: tokens never pass here; the one route takes an input's name and gives a run's.
Source: the invocation of @ably/ai-transport 0.8.0, `POST {"inputEventId", "sessionName"}`.
Needs the extra `server`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ...agent.run import Handler
from ...agent.runtime import Agent
from ...errors import LocalProtocolError, RequestRejected, TransportError
from .agent import AblyAgent
from .policy import Policy
from .supervisor import AblyConnection
from .wire import Wire

__all__ = ["MAX_INVOCATION_BYTES", "AblyApp", "MayWake", "create_app"]

MayWake: TypeAlias = Callable[[Mapping[str, str]], bool | Awaitable[bool]]
"""Says from a request's headers whether it may wake the agent."""

MAX_INVOCATION_BYTES = 64 * 1024
"""Body of an invocation; it holds two names, and what the client added."""


def create_app(
    agent: Agent | Handler,
    connection: AblyConnection,
    *,
    channels: Iterable[str] = (),
    path: str = "/api/chat",
    may_wake: MayWake | None = None,
    wire: Wire | str | None = None,
    policy: Policy | None = None,
    locate_s: float = 10.0,
) -> AblyApp:
    """Give an ASGI application that holds an agent on Ably channels.

    It stands where the HTTP transport's `create_app` stood: served alone, or
    `FastAPI(lifespan=chat.lifespan)` and `app.mount("/", chat)`.

    Args:
        agent: A handler, or an `Agent` that the caller has entered.
        connection: As for `AblyAgent`.
        channels: As for `AblyAgent`: names served from the start, patterns that may be invoked.
        path: Where invocations are taken.
        may_wake: Who may invoke; None lets everybody. What an invocation names is on the channel
            already, so Ably has checked who may ask there.
        wire: As for `AblyAgent`, and so are the next two; for its other settings make one and give
            it to `AblyApp`.
        policy: Who may start, stop, steer and answer.
        locate_s: Seconds for finding the input that an invocation names.
    """
    held = AblyAgent(
        agent, connection, channels=channels, wire=wire, policy=policy, locate_s=locate_s
    )
    return AblyApp(held, path=path, may_wake=may_wake)


class AblyApp:
    """An ASGI application around an agent that it enters; usually made by `create_app`."""

    def __init__(
        self, agent: AblyAgent, *, path: str = "/api/chat", may_wake: MayWake | None = None
    ) -> None:
        self._agent = agent
        self._may_wake = may_wake
        route = Route(path, self._invoke, methods=["POST"])
        self._app = Starlette(routes=[route], lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None, None]:
        """Hold the agent until the block is left; give it to a framework that mounts this.

        Raises:
            ConnectFailed: If Ably or a channel cannot be reached.
            RequestRejected: If the key, the token or a channel is refused.
        """
        async with self._agent:
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        await self._app(scope, receive, send)

    async def _invoke(self, request: Request) -> Response:
        if self._may_wake is not None:
            allowed = self._may_wake(request.headers)
            if not (await allowed if inspect.isawaitable(allowed) else allowed):
                return PlainTextResponse("not allowed to wake the agent", 403)
        try:
            woken = await self._agent.invoke(_body(await _read(request)))
        except LocalProtocolError as error:
            return PlainTextResponse(str(error), 400)
        except RequestRejected as error:
            return PlainTextResponse(str(error), error.status or 502)
        except TransportError as error:  # Ably is away, or we are leaving: try again later
            return PlainTextResponse(str(error), 503, {"retry-after": "1"})
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse({"runId": woken.run_id})


async def _read(request: Request) -> bytes:
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > MAX_INVOCATION_BYTES:
            raise RequestRejected(
                f"unable to read the invocation; it has more than {MAX_INVOCATION_BYTES} bytes",
                status=413,
            )
    return bytes(read)


def _body(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise LocalProtocolError(f"unable to read the invocation; {error}") from error
    if not isinstance(body, dict):
        raise LocalProtocolError("unable to read the invocation; it is not a JSON object")
    return body
