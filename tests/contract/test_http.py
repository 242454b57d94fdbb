"""HTTP and WebSocket keep every requirement, over real sockets: uvicorn on asyncio, hypercorn on trio."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

import anyio
import hypercorn.trio
import pytest
import sniffio
import uvicorn
from hypercorn.config import Config

from chat_transport._tasks import open_task_group
from chat_transport.agent.run import Handler, User
from chat_transport.agent.runtime import Agent, OnEnd
from chat_transport.testing.harness import Harness, MakeClient
from chat_transport.testing.requirements import (
    Requirement,
    Verdict,
    requirements,
    run_requirement,
)
from chat_transport.transport import ChatTransport
from chat_transport.transports.http.app import ChatApp, create_app
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.exchange import IncomingRequest
from chat_transport.transports.http.websocket import WebSocketChatTransport

pytestmark = pytest.mark.anyio


def who(request: IncomingRequest) -> User | None:
    """What a token would say."""
    name = request.headers.get("authorization")
    return User(id=name) if name else None


@asynccontextmanager
async def served(app: ChatApp) -> AsyncGenerator[str, None]:
    """Serve on the running event loop, so that the kit's agent is the server's."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    port = listener.getsockname()[1]
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        tasks = await stack.enter_async_context(open_task_group())
        if sniffio.current_async_library() == "trio":
            config = Config()
            config.bind = [f"fd://{listener.detach()}"]
            config.graceful_timeout = 0.2
            config.websocket_ping_interval = None
            over = anyio.Event()

            async def serve() -> None:
                await hypercorn.trio.serve(app, config, shutdown_trigger=over.wait, mode="asgi")  # type: ignore[arg-type]

            tasks.start_soon(serve)
            try:
                yield f"http://127.0.0.1:{port}/api/chat"
            finally:
                over.set()
                tasks.cancel_scope.cancel()
        else:
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    log_level="warning",
                    lifespan="on",
                    timeout_graceful_shutdown=0,
                    ws="websockets-sansio",
                )
            )
            tasks.start_soon(server.serve, [listener])
            try:
                yield f"http://127.0.0.1:{port}/api/chat"
            finally:
                server.should_exit = True


class HttpHarness(Harness):
    name = "http"
    excused: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *, socket: bool) -> None:
        self._socket = socket

    @asynccontextmanager
    async def stage(self, handler: Handler, on_end: OnEnd) -> AsyncGenerator[MakeClient, None]:
        async with Agent(handler, on_end=on_end) as agent:
            async with served(create_app(agent, authenticate=who, authorize=anyone)) as url:

                def make_client(user_id: str) -> ChatTransport:
                    headers = {"authorization": user_id}
                    if self._socket:
                        at = url.replace("http://", "ws://")
                        return WebSocketChatTransport(at, headers=headers)
                    return HttpChatTransport(url, headers=headers)

                yield make_client


def anyone(user: User, chat_id: str) -> bool:
    """The kit's users share their chats."""
    return True


@pytest.mark.parametrize("is_socket", [False, True], ids=["http", "websocket"])
@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(
    requirement: Requirement,
    settle: Callable[[str, Requirement, Verdict], None],
    *,
    is_socket: bool,
) -> None:
    verdict = await run_requirement(requirement, HttpHarness(socket=is_socket))
    settle("WebSocket" if is_socket else "HTTP", requirement, verdict)
