"""The broker: apps, connections and credentials in one place. Pure state, driven by calls.

Rule: one thread, no locks, no waiting: a server (or a test with a clock of its own) feeds it frames
and requests and runs its timers. Constructing opens nothing but the store that it is given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from chat_transport.broker.app import App
from chat_transport.broker.connection import Connection
from chat_transport.broker.credentials import Credentials
from chat_transport.broker.faults import Faults
from chat_transport.broker.identity import Identity
from chat_transport.broker.refusal import ErrorWords, Refusal
from chat_transport.broker.serials import Clock, SerialClock, new_id
from chat_transport.broker.session import Session
from chat_transport.broker.settings import OPEN, Limits, Namespace
from chat_transport.broker.store import Store
from chat_transport.broker.timers import Timers
from chat_transport.broker.tokens import ApiKey

__all__ = ["Broker"]


class TrafficLog(Protocol):
    """Takes note of frames."""

    def note(self, now_ms: int, connection_id: str, payload: str | bytes, *, is_out: bool) -> None:
        """Take a frame."""
        ...


INVALID_KEY = ErrorWords(80018, 400, "Invalid connectionKey")
EXPIRED = ErrorWords(80008, 400, "Unable to recover connection (connection expired)")
SWEEP_MS = 10_000
OLDEST_VERSION = 2
FORGOTTEN = 10_000


def system_ms() -> int:
    """Give the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000


class Broker:
    """A local Ably.

    Args:
        keys: API keys as `app.key:secret`; each app comes into being with its first key.
        namespaces: Rules for channels `id:…` of these apps.
        undeclared: Rules for all other channels; by default everything is permitted.
        limits: Sizes, times and counts.
        now_ms: The clock; tests give one of their own.
        data: SQLite file that keeps the channels; None keeps them in memory alone.

    Raises:
        TransportError: If the file cannot be used.
    """

    def __init__(
        self,
        keys: Iterable[str | ApiKey] = (),
        *,
        namespaces: Iterable[Namespace] = (),
        undeclared: Namespace = OPEN,
        limits: Limits | None = None,
        now_ms: Clock = system_ms,
        data: str | Path | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.now_ms = now_ms
        self.timers = Timers(now_ms)
        self.clock = SerialClock(now_ms)
        self.faults = Faults()
        self.faults.on_drop = self._drop_sockets
        self.faults.on_forget = self._forget_connections
        self.faults.on_expire = self._expire_tokens
        self.faults.on_release = self._apply_hold
        self.store = None if data is None else Store(data)
        if self.store is not None and (newest := self.store.newest_serial()):
            self.clock.advance_past(newest)
        self.traffic: TrafficLog | None = None
        """Where every frame is noted, if someone looks."""
        self.apps: dict[str, App] = {}
        self.credentials = Credentials(self.apps, now_ms)
        self.connections: dict[str, Connection] = {}
        self.used_nonces: OrderedDict[str, int] = OrderedDict()
        self._undeclared = undeclared
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        by_app: dict[str, list[ApiKey]] = {}
        for key in keys:
            parsed = ApiKey.parse(key) if isinstance(key, str) else key
            by_app.setdefault(parsed.app_id, []).append(parsed)
        rules = list(namespaces)
        for app_id, app_keys in by_app.items():
            self.add_app(app_id, app_keys, rules)
        self.timers.after(SWEEP_MS, self._sweep)

    def add_app(
        self,
        app_id: str,
        keys: Iterable[ApiKey],
        namespaces: Iterable[Namespace] = (),
        *,
        is_kept: bool = True,
    ) -> App:
        """Add an app with its keys; unless `is_kept`, the store knows nothing of it.

        Raises:
            Refusal: If there are too many (42910).
        """
        if len(self.apps) >= self.limits.apps:
            raise Refusal(42910, 429, f"Maximum number of apps ({self.limits.apps}) exceeded")
        app = self.apps[app_id] = App(
            app_id,
            keys,
            namespaces,
            clock=self.clock,
            limits=self.limits,
            faults=self.faults,
            undeclared=self._undeclared,
            store=self.store if is_kept else None,
        )
        return app

    def remove_app(self, app_id: str) -> None:
        """Forget an app; its connections are cut."""
        del self.apps[app_id]
        if self.store is not None:
            self.store.remove_app(app_id)
        for connection in [c for c in self.connections.values() if c.app.id == app_id]:
            if connection.session is not None:
                connection.session.outbox.cut()
            self._forget(connection)

    def close(self) -> None:
        """Cut every socket and close the store."""
        self._drop_sockets(None)
        if self.store is not None:
            self.store.close()

    def open_session(
        self,
        query: Mapping[str, str],
        authorization: str | None = None,
        *,
        on_ready: Callable[[], None] = lambda: None,
    ) -> Session:
        """Take a new socket; what is wrong with it is said inside it, as frames.

        Args:
            query: The parameters of the WebSocket's URL.
            authorization: The header of that name.
            on_ready: Called when the session's outbox has something.
        """
        interval = _bounded(query.get("heartbeatInterval"), 5_000, 1_800_000)
        remain = _bounded(query.get("remainPresentFor"), 0, self.limits.connection_state_ttl_ms)
        session = Session(
            self,
            binary=query.get("format") == "msgpack",
            echo=query.get("echo") != "false",
            idle_interval_ms=self.limits.max_idle_interval_ms if interval is None else interval,
            remain_present_ms=self.limits.remain_present_ms if remain is None else remain,
            on_ready=on_ready,
        )
        try:
            connection, error = self._enter(query, authorization)
        except Refusal as refusal:
            session.refuse(refusal)
        else:
            session.welcome(connection, error)
        return session

    def _enter(
        self, query: Mapping[str, str], authorization: str | None
    ) -> tuple[Connection, ErrorWords | None]:
        """Give the connection that a socket asks for, and what to say if it is another one."""
        version = query.get("v", "").partition(".")[0]
        if not version.isdigit() or int(version) < OLDEST_VERSION:
            raise Refusal(40017, 400, f"unsupported protocol version {query.get('v')!r}")
        try:
            identity = self.credentials.identify(
                query, authorization, query.get("clientId") or None
            )
        except Refusal as refusal:
            if refusal.code != 40400:
                raise
            # REST says what there is not; a socket hears that it is not authorized.
            raise Refusal(40101, 401, f"Not authorized: {refusal}") from refusal
        rollup = _bounded(query.get("appendRollupWindow"), 0, 500)
        rollup_ms = self.limits.append_rollup_ms if rollup is None else rollup
        return self._admit(identity, query.get("resume") or query.get("recover"), rollup_ms)

    def connection_key(self, connection: Connection) -> str:
        """Give a key with which a client resumes its connection; each is another one."""
        named = f"{connection.id}!{new_id(6)}"
        return f"{named}-{_signature(connection.app, named)}"

    def connection_of_key(self, app: App, key: str) -> Connection:
        """Give the connection of a key that the broker issued.

        Raises:
            Refusal: If it did not, or the connection has ended (40006).
        """
        named, _, signature = key.rpartition("-")
        connection = self.connections.get(named.partition("!")[0])
        genuine = hmac.compare_digest(signature.encode(), _signature(app, named).encode())
        if connection is None or not genuine:
            raise Refusal(40006, 400, "invalid connectionKey")
        return connection

    def keep(self, connection: Connection, remain_present_ms: int) -> None:
        """Keep a connection whose socket is gone, for the time that it may come back."""
        if connection.id not in self.connections:
            return
        connection.cancel_timers()
        after = self.timers.after
        connection.timers = [
            after(remain_present_ms, connection.leave),
            after(self.limits.connection_state_ttl_ms, lambda: self._forget(connection)),
        ]

    def end(self, connection: Connection) -> None:
        """The client closed its connection: nothing of it is kept."""
        connection.rollup.flush()
        self._forget(connection)

    def _admit(
        self, identity: Identity, resume: str | None, rollup_ms: int
    ) -> tuple[Connection, ErrorWords | None]:
        """Give the connection for a socket, and what to say if it could not be resumed."""
        app = self.apps[identity.app_id]
        error: ErrorWords | None = None
        connection_id = new_id()
        if resume:
            named, _, signature = resume.rpartition("-")
            given = named.partition("!")[0]
            known = self.connections.get(given)
            if not hmac.compare_digest(signature.encode(), _signature(app, named).encode()):
                error = INVALID_KEY
            elif given in self._forgotten:
                error = EXPIRED
            elif known is None:
                connection_id = given  # the broker was restarted; channels judge continuity
            elif known.identity.client_id != identity.client_id:
                raise Refusal(40102, 401, "Invalid clientId for credentials; not the connection's")
            else:
                self._take_over(known, identity)
                return known, None
        connection = Connection(
            connection_id, app, identity, timers=self.timers, rollup_ms=rollup_ms
        )
        self.connections[connection_id] = connection
        return connection, error

    @staticmethod
    def _take_over(connection: Connection, identity: Identity) -> None:
        connection.cancel_timers()
        connection.identity = identity
        if connection.session is not None:
            previous, connection.session = connection.session, None
            previous.outbox.cut()
            previous.lost()

    def _forget(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        self._forgotten[connection.id] = None
        if len(self._forgotten) > FORGOTTEN:
            self._forgotten.popitem(last=False)
        connection.cancel_timers()
        connection.leave()

    def _sweep(self) -> None:
        now = self.now_ms()
        for app in self.apps.values():
            app.expire(now)
        self.timers.after(SWEEP_MS, self._sweep)

    def _drop_sockets(self, connection_id: str | None) -> int:
        dropped = 0
        for connection in list(self.connections.values()):
            if connection_id in (None, connection.id) and connection.session is not None:
                connection.session.outbox.cut()
                connection.session.lost()
                dropped += 1
        return dropped

    def _forget_connections(self) -> int:
        connections = list(self.connections.values())
        self._drop_sockets(None)
        for connection in connections:
            self._forget(connection)
        return len(connections)

    def _expire_tokens(self) -> int:
        expired = 0
        for connection in list(self.connections.values()):
            if connection.identity.is_token and connection.session is not None:
                connection.session.expire()
                expired += 1
        return expired

    def _apply_hold(self) -> None:
        for connection in self.connections.values():
            if connection.session is None:
                continue
            if self.faults.settings.hold:
                connection.session.outbox.held = True
            else:
                connection.session.outbox.release()


def _signature(app: App, text: str) -> str:
    digest = hmac.new(app.secret, text.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:15]).decode()


def _bounded(text: str | None, low: int, high: int) -> int | None:
    """Give a whole number between two bounds, or None if there is none."""
    if text is None or not text.isdigit():
        return None
    return min(max(int(text), low), high)
