"""What `serve` and `demo` run: one agent, reached over HTTP and, with a key, over Ably.

Rule: the two ends share one `Agent`, so a model is asked in one place however the user came.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from ..agent.run import User
from ..agent.runtime import Agent
from ..broker.broker import Broker
from ..broker.serving import serve_broker
from ..broker.settings import OPEN
from ..errors import ChatTransportError, LocalProtocolError
from ..model import ModelAdapter
from ..transports import ably as ably_transport
from ..transports.ably.auth import CLIENT_OPERATIONS, AblyKey, Grant, TokenAsked, TokenEndpoint
from ..transports.ably.wire import Act
from ..transports.http.app import create_app
from ..transports.http.chat_store import MemoryChatStore
from ..transports.http.settings import Invocation
from ..transports.http.sqlite_chat_store import SqliteChatStore
from ._failure import CommandFailed
from ._models import make_handler
from ._serving import announce, bind, serve_app
from ._site import AblyAddress, InvokeAlias, find_page, make_site

__all__ = ["AblySettings", "ServeSettings", "embedded_broker", "serve"]

AGENT_ID = "agent"
"""Ably client id of the server's agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AblySettings:
    """Where Ably is, and which channels the agent answers on.

    Attributes:
        key: Signs the tokens of the agent and of browsers; it is never sent.
        channels: Names and patterns such as `ai:*`.
        is_ours: The broker runs in this process.
    """

    key: AblyKey
    endpoint: str | None = None
    tls: bool = True
    channels: tuple[str, ...] = ("ai:*",)
    is_ours: bool = False

    @property
    def address(self) -> AblyAddress:
        """What the page is told."""
        prefixes = [name[:-1] for name in self.channels if name.endswith("*")]
        return AblyAddress(
            endpoint=self.endpoint,
            tls=self.tls,
            is_ours=self.is_ours,
            channel_prefix=prefixes[0] if prefixes else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """What to serve, and where.

    Attributes:
        web: Folder of the built page; None finds the repository's own.
        data: SQLite file that keeps the chats over HTTP; None keeps them in memory.
        settings: Further keys of `config.json`.
    """

    host: str
    port: int
    model: ModelAdapter
    model_name: str
    web: Path | None = None
    data: Path | None = None

    @property
    def error_text(self) -> Callable[[Exception], str] | None:
        """How a handler's exception is told: as it is on one's own machine, else masked."""
        is_local = self.host in {"127.0.0.1", "::1", "localhost"}
        return (lambda error: f"{type(error).__name__}: {error}") if is_local else None


@asynccontextmanager
async def embedded_broker(
    key: str, *, host: str, port: int = 0, data: Path | None = None
) -> AsyncGenerator[AblySettings, None]:
    """Run a broker of our own while the block runs."""
    broker = Broker([key], undeclared=OPEN, data=str(data) if data is not None else None)
    bind(host, port).close()  # a taken port gets its sentence here
    async with serve_broker(broker=broker, host=host, port=port) as running:
        try:
            yield AblySettings(
                key=AblyKey.parse(key), endpoint=running.address, tls=False, is_ours=True
            )
        finally:
            broker.close()


async def serve(settings: ServeSettings, ably: AblySettings | None, stopping: anyio.Event) -> None:
    """Serve until `stopping`, then end the runs and close.

    Raises:
        CommandFailed: If a port is taken, the page is not there, or Ably refuses.
    """
    listener = bind(settings.host, settings.port)
    try:
        async with Agent(make_handler(settings.model), error_text=settings.error_text) as agent:
            async with _ably_agent(agent, ably) as ably_agent:
                app = _application(settings, ably, agent, ably_agent)
                async with serve_app(app, listener) as address:
                    announce(address)
                    await stopping.wait()
                    for run in agent.active():
                        run.stop("the server is shutting down")
    finally:
        listener.close()


@asynccontextmanager
async def _ably_agent(
    agent: Agent, ably: AblySettings | None
) -> AsyncGenerator[ably_transport.AblyAgent | None, None]:
    if ably is None:
        yield None
        return
    # The package loads its names when they are used: a server without Ably starts a second sooner.
    connection = ably_transport.AblyConnection(
        key=ably.key, client_id=AGENT_ID, endpoint=ably.endpoint, tls=ably.tls
    )
    served = ably_transport.AblyAgent(
        agent, connection, channels=ably.channels, policy=_shared_by_all
    )
    try:
        await served.__aenter__()
    except ChatTransportError as error:
        raise CommandFailed(str(error)) from error
    try:
        yield served
    finally:
        await served.__aexit__(None, None, None)


def _shared_by_all(act: Act, user: User) -> bool:  # noqa: ARG001  # the names of a Policy
    """Let whoever is in a chat stop and answer in it, from any browser, as over HTTP.

    Users are what they say they are here, so a policy of owners would protect nobody.
    """
    return act.kind != "speak"


def _application(
    settings: ServeSettings,
    ably: AblySettings | None,
    agent: Agent,
    ably_agent: ably_transport.AblyAgent | None,
) -> InvokeAlias:
    async def on_invocation(invocation: Invocation) -> Mapping[str, Any] | None:
        assert ably_agent is not None
        woken = await ably_agent.invoke(invocation.body)
        return {"runId": woken.run_id, "sessionName": woken.session_name}

    site = make_site(
        page=find_page(settings.web),
        ably=ably.address if ably is not None else None,
        token_endpoint=_token_endpoint(ably) if ably is not None else None,
        attend=ably_agent.attend if ably_agent is not None else None,
        settings={"model": settings.model_name},
    )
    store = MemoryChatStore() if settings.data is None else SqliteChatStore(str(settings.data))
    return InvokeAlias(
        create_app(
            agent,
            store=store,
            on_invocation=on_invocation if ably_agent is not None else None,
            otherwise=site,
        )
    )


def _token_endpoint(ably: AblySettings) -> TokenEndpoint:
    def grant(asked: TokenAsked) -> Grant | None:
        # A local server has no log-in: whoever reaches it may say who they are, but not be the
        # agent. Put your own check here before others can reach it (docs/concepts/trust).
        if asked.client_id in {None, AGENT_ID, "*"}:
            return None
        return Grant(
            client_id=asked.client_id,
            capability=dict.fromkeys(ably.channels, CLIENT_OPERATIONS),
        )

    return TokenEndpoint(ably.key, grant)


def read_key(text: str) -> AblyKey:
    """Read an Ably key.

    Raises:
        CommandFailed: If it has another form; the secret is not repeated.
    """
    try:
        return AblyKey.parse(text)
    except LocalProtocolError as error:
        raise CommandFailed(str(error)) from error
