"""A connection to Ably that is kept alive: it replaces the SDK's client when that is at a dead end.

Rule: channels and writers see one connection; which client carries it is known here alone.
Source: the states of ably-python 3.1.4, where FAILED is not final, CONNECTED may be dead, and
CONNECTING may be stuck.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Literal, Self, TypeAlias

import anyio
from anyio.abc import TaskGroup

from ..._tasks import open_task_group
from ...errors import (
    ConnectFailed,
    LocalProtocolError,
    TransportClosed,
    TransportError,
)
from .auth import AblyKey, make_token
from .channel import AblyChannel, ChannelEvents, HistoryPage
from .connection import SdkChannel, SdkClient, SdkHistory, TokenSource
from .refusals import is_fatal

__all__ = ["AblyConnection", "check_connection"]

State: TypeAlias = Literal["new", "connecting", "connected", "failed", "closed"]

IN_FLIGHT = 200
"""Unacknowledged operations of one connection: the SDK's queue is quadratic in their number."""
CHECK_S = 1.0
"""Seconds between looks at a connection that says it is well."""
BACKOFF_S = 10.0
"""Seconds between two clients at most."""


def check_connection(connection: object) -> None:
    """See that a client or an agent is given a connection.

    Raises:
        TypeError: If it is something else, such as a key, which is not repeated.
    """
    if not isinstance(connection, AblyConnection):
        raise TypeError(
            f"unable to use a {type(connection).__name__} as the connection; "
            "give an AblyConnection(key=...) or AblyConnection(token=...)"
        )


class AblyConnection:
    """A connection to Ably, or to anything that speaks its protocol, kept alive until closed.

    Constructing does nothing; `async with` connects. Whoever enters it closes it: clients and
    agents that are given an open one borrow it.

    Args:
        key: `appId.keyId:secret`. Tokens are made from it here; it is never sent.
        token: Gives a JWT each time one is needed. Exactly one of `key` and `token`.
        client_id: Who we are, when `key` is given. A token says it itself.
        endpoint: `host:port` of another broker; None is Ably's cloud.
        tls: Off for a local broker only.
        timeout_s: Seconds to wait for the first connection, for each attach and each answer.
        rebuild_after_s: Seconds without a connection after which the client is replaced.
        transport_params: Ably's, such as `{"appendRollupWindow": "0"}`.
    """

    def __init__(
        self,
        *,
        key: AblyKey | str | None = None,
        token: TokenSource | None = None,
        client_id: str | None = None,
        endpoint: str | None = None,
        tls: bool = True,
        timeout_s: float = 10.0,
        rebuild_after_s: float = 20.0,
        transport_params: Mapping[str, str] | None = None,
    ) -> None:
        if token is None and key is None:
            raise LocalProtocolError("unable to connect to Ably; give either a key or a token")
        if token is not None and (key is not None or client_id is not None):
            raise LocalProtocolError(
                "unable to use key or client_id beside a token; the token says who we are"
            )
        if token is not None and not callable(token):
            raise TypeError(
                f"unable to use a {type(token).__name__} as the token; "
                "give an async function that returns one, such as token_from(url)"
            )
        if endpoint is not None and "://" in endpoint:
            raise LocalProtocolError(
                f"unable to connect to {endpoint!r}; give HOST:PORT, and tls=False without TLS"
            )
        self._source = token
        self._key = AblyKey.parse(key) if isinstance(key, str) else key
        self.client_id = client_id
        """Who Ably says we are; None while anonymous or not yet known."""
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self.state: State = "new"
        self.in_flight = asyncio.Semaphore(IN_FLIGHT)
        """Whoever publishes holds one of these until the acknowledgement."""
        self._tls = tls
        self._rebuild_after_s = rebuild_after_s
        self._transport_params = dict(transport_params or {})
        self._channels: dict[str, AblyChannel] = {}
        self._client: SdkClient | None = None
        self._history: SdkHistory | None = None
        self._error: TransportError | None = None
        self._token_error: Exception | None = None
        self._changed = asyncio.Event()
        self._look = asyncio.Event()
        self._tasks: TaskGroup | None = None
        self._scope: AbstractAsyncContextManager[TaskGroup] | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ConnectFailed: If Ably cannot be reached, or no token could be had.
            RequestRejected: If the key or token is refused.
        """
        if self.state != "new":
            raise TransportClosed(f"unable to connect; this connection is {self.state}")
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise LocalProtocolError(
                "unable to connect to Ably without asyncio; its SDK knows no other event loop"
            ) from error
        self.state = "connecting"
        try:
            await self._probe()
            self._history = SdkHistory(
                self._token, endpoint=self.endpoint, tls=self._tls, timeout_s=self.timeout_s
            )
            self._client = self._new_client()
            async with asyncio.timeout(self.timeout_s):
                await self.connected()
        except TimeoutError as error:
            await self._close()
            raise self._error or ConnectFailed(
                f"unable to connect to {self._where}; no answer in {self.timeout_s:g} s"
                + (": has it TLS? if not, tls=False" if self.endpoint and self._tls else "")
            ) from error
        except BaseException:
            await self._close()
            raise
        self._scope = open_task_group()
        self._tasks = await self._scope.__aenter__()
        self._tasks.start_soon(self._supervise)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close: presence is left, and the broker forgets us."""
        assert self._tasks is not None
        assert self._scope is not None
        self._tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._close()
        await self._scope.__aexit__(exc_type, exc, traceback)

    @property
    def is_open(self) -> bool:
        """Whether it is entered and not closed."""
        return self._tasks is not None and self.state != "closed"

    @property
    def tasks(self) -> TaskGroup:
        """Where the own work of a channel runs."""
        if self._tasks is None or self.state == "closed":
            raise TransportClosed("unable to use the Ably connection; it is not open")
        return self._tasks

    async def connected(self) -> None:
        """Wait until there is a connection.

        Raises:
            RequestRejected: If it was refused for good.
            ConnectFailed: If there is no token to connect with.
            TransportClosed: If it is closed.
        """
        while self.state != "connected":
            if self.state == "closed":
                raise TransportClosed("unable to use the Ably connection; it is closed")
            if self.state == "failed" and self._error is not None:
                raise self._error
            await self._changed.wait()

    def channel(self, name: str) -> AblyChannel:
        """Give the one channel of that name; listening to it attaches it."""
        found = self._channels.get(name)
        if found is None:
            found = self._channels[name] = AblyChannel(name, self)
        return found

    def suspect(self) -> None:
        """Say that a send failed although we seem connected: the supervisor looks at once."""
        self._look.set()

    def bind(self, name: str, events: ChannelEvents) -> SdkChannel:
        """Give the present client's channel, for `AblyChannel`."""
        if self._client is None or self.state == "closed":
            raise TransportClosed(f"unable to use channel {name!r}; the connection is not open")
        return self._client.channel(name, events)

    def release(self, name: str) -> None:
        """Forget the present client's channel, for `AblyChannel`."""
        if self._client is not None:
            self._client.release(name)

    @property
    def is_live(self) -> bool:
        """Whether the present client has a live connection at this moment."""
        client = self._client
        return client is not None and client.state == "connected" and not client.is_zombie

    @property
    def connection_id(self) -> str | None:
        """How the broker names the present connection."""
        return self._client.connection_id if self._client is not None else None

    async def read_history(self, name: str, params: Mapping[str, str]) -> HistoryPage:
        """Give one page of a channel's history, newest first."""
        if self._history is None or self.state == "closed":
            raise TransportClosed(f"unable to read channel {name!r}; the connection is not open")
        return await self._history.read(name, params)

    @property
    def _where(self) -> str:
        return self.endpoint or "Ably"

    async def _token(self) -> str:
        if self._source is None:
            assert self._key is not None
            return make_token(self._key, client_id=self.client_id, capability={"*": ["*"]})
        try:
            asked = self._source()
            if not inspect.isawaitable(asked):
                raise TypeError("unable to await the token; make its function async")  # noqa: TRY301  # told as its other faults
            token = await asked
        except Exception as error:
            self._token_error = error
            raise
        self._token_error = None
        return token

    def _new_client(self) -> SdkClient:
        return SdkClient(
            self._token,
            self._on_state,
            endpoint=self.endpoint,
            tls=self._tls,
            timeout_s=self.timeout_s,
            transport_params=self._transport_params,
        )

    def _on_state(
        self, client: SdkClient, state: str, reason: TransportError | None, code: int | None
    ) -> None:
        if client is not self._client or self.state == "closed":
            return
        if state == "connected":
            self._error = None
            self.client_id = client.client_id or self.client_id
            self._set_state("connected")
        elif state in {"disconnected", "suspended", "failed"}:
            if reason is not None:
                self._error = self._with_token_error(reason, code)
            is_final = is_fatal(code) or (self._tasks is None and _is_token_trouble(code))
            self._set_state("failed" if is_final and self._error is not None else "connecting")

    def _set_state(self, state: State) -> None:
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()
        self._look.set()

    def _with_token_error(self, reason: TransportError, code: int | None) -> TransportError:
        if self._token_error is None or code not in {80019, 40170}:
            return reason
        error = ConnectFailed(f"unable to connect to {self._where}; no token: {self._token_error}")
        error.__cause__ = self._token_error
        return error

    async def _supervise(self) -> None:
        lost_at: float | None = None
        failures = 0
        while True:
            with anyio.move_on_after(CHECK_S):
                await self._look.wait()
            self._look.clear()
            client = self._client
            assert client is not None
            if client.state == "connected" and not client.is_zombie:
                lost_at, failures = None, 0
                continue
            lost_at = lost_at or time.monotonic()
            if self.state == "failed" or not self._is_dead_end(client, lost_at):
                continue
            jitter = random.uniform(0.5, 1)  # noqa: S311  # no secret
            await anyio.sleep(min(BACKOFF_S, 0.1 * 2**failures) * jitter)
            if client is self._client and self._is_dead_end(client, lost_at):
                failures, lost_at = failures + 1, None
                await self._rebuild(client)

    def _is_dead_end(self, client: SdkClient, lost_at: float) -> bool:
        is_late = time.monotonic() - lost_at > self._rebuild_after_s
        return is_late or client.is_zombie or client.state in {"failed", "closed"}

    async def _rebuild(self, old: SdkClient) -> None:
        try:
            await self._probe()
        except ConnectFailed as error:
            self._error = error
            return
        self._set_state("connecting")
        self._client = self._new_client()
        for channel in list(self._channels.values()):
            channel.rebind()
        await old.close()

    async def _probe(self) -> None:
        """Find a refused connection at once: the SDK would be stuck in CONNECTING for 10 s."""
        host, _, port = (self.endpoint or "").rstrip("/").rpartition(":")
        if not (host and port.isdigit()):
            return
        try:
            async with asyncio.timeout(self.timeout_s):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError) as error:
            why = str(error) or "no answer"
            raise ConnectFailed(
                f"unable to connect to {self.endpoint}; {why}: is the broker up?"
            ) from error
        writer.close()

    async def _close(self) -> None:
        self._set_state("closed")
        for channel in list(self._channels.values()):
            channel.on_closed()
        if self._client is not None:
            await self._client.close()
        if self._history is not None:
            await self._history.close()


def _is_token_trouble(code: int | None) -> bool:
    """At the first connect it is told at once; later it is tried again."""
    return code is not None and (code == 80019 or 40_140 <= code < 40_150)
