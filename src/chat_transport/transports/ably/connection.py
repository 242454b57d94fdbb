"""One Ably client and its channels, as the SDK has them. The only file that imports `ably`.

Rule: every trap of one SDK object is handled here, and its exceptions become ours here; what
needs more than one client (supervision, rebuilding) is in `supervisor.py`.
Source: ably 3.1.4, asyncio only.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote_plus, urlsplit

from ably import AblyRest
from ably.realtime.realtime import AblyRealtime
from ably.types.channeloptions import ChannelOptions
from ably.types.message import Message, MessageAction
from ably.types.operations import MessageOperation
from ably.types.tokendetails import TokenDetails
from ably.util.exceptions import AblyException

from ...codecs.ably.operations import Action, Inbound, OutboundMessage
from ...errors import ConnectFailed, TransportError
from .auth import read_claims
from .channel import ChannelEvents, HistoryPage, Member
from .refusals import translate
from .sdk_noise import forget_late_news, hide_secrets, hush

__all__ = ["SdkChannel", "SdkClient", "SdkHistory", "StateListener", "TokenSource", "to_inbound"]

JSON: TypeAlias = Any  # any JSON value
Sdk: TypeAlias = Any  # ably ships no types: its objects stay inside this file
TokenSource: TypeAlias = Callable[[], Awaitable[str]]
"""Gives a JWT; asked again whenever one runs out."""

LIBRARY = "chat-transport-python/0.1"
"""How we name ourselves to Ably (channel param `agent`)."""
ACTIONS: dict[MessageAction | None, Action] = {
    None: "create",  # the SDK leaves it None if the server leaves it out
    MessageAction.MESSAGE_CREATE: "create",
    MessageAction.MESSAGE_UPDATE: "update",
    MessageAction.MESSAGE_DELETE: "delete",
    MessageAction.META: "meta",
    MessageAction.MESSAGE_SUMMARY: "summary",
    MessageAction.MESSAGE_APPEND: "append",
}
ATTACH, DETACH = 10, 12
"""Actions of protocol frames that the SDK sends from tasks that nobody reads."""
CLOSE_S = 2.0
"""Seconds that closing a client may take."""


class StateListener(Protocol):
    """Told of each connection state, with the SDK's code and words for it."""

    def __call__(
        self, client: SdkClient, state: str, reason: TransportError | None, code: int | None
    ) -> None:
        """Take `state`, and why if the SDK says why."""


class SdkClient:
    """One realtime client. It connects when it is made, and is thrown away when it fails."""

    def __init__(
        self,
        token: TokenSource,
        on_state: StateListener,
        *,
        endpoint: str | None,
        tls: bool,
        timeout_s: float,
        transport_params: Mapping[str, str],
    ) -> None:
        self._on_state = on_state
        self._where = endpoint or "Ably"
        self._sdk: Sdk = AblyRealtime(
            auth_callback=_wrapped(token),
            # Nothing is re-sent behind our back: the SDK's own queue sends frames twice and
            # with old serials after a failed resume. Writers send again what needs it.
            queue_messages=False,
            realtime_request_timeout=int(timeout_s * 1000),
            # The SDK has neither backoff nor jitter: a restarted broker would meet all at once.
            disconnected_retry_timeout=int(random.uniform(500, 1500)),  # noqa: S311  # jitter
            suspended_retry_timeout=int(random.uniform(2000, 4000)),  # noqa: S311  # jitter
            transport_params=dict(transport_params),
            **_host(endpoint, tls=tls),
        )
        _settle_sends(self._sdk.connection.connection_manager)
        self._sdk.connection.on(self._changed)

    @property
    def state(self) -> str:
        """What the SDK says: `connected`, `failed` and so on."""
        return str(self._sdk.connection.connection_manager.state.value)

    @property
    def is_zombie(self) -> bool:
        """CONNECTED without a live socket: what 3.1.4 makes of some DISCONNECTED frames."""
        transport = self._sdk.connection.connection_manager.transport
        return self.state == "connected" and (transport is None or bool(transport.is_disposed))

    @property
    def client_id(self) -> str | None:
        """Who Ably says we are."""
        found: str | None = self._sdk.auth.client_id
        return found

    @property
    def connection_id(self) -> str | None:
        """How the broker names this connection."""
        found: str | None = self._sdk.connection.connection_manager.connection_id
        return found

    def channel(self, name: str, events: ChannelEvents) -> SdkChannel:
        """Give the channel, with `events` told what happens on it."""
        options = ChannelOptions(params={"agent": LIBRARY})
        return SdkChannel(self._sdk.channels.get(name, options), events)

    def release(self, name: str) -> None:
        """Forget a detached channel, and with it the listeners that the SDK leaks."""
        self._sdk.channels.release(name)

    async def close(self) -> None:
        """Close, in bounded time."""
        manager = self._sdk.connection.connection_manager
        if manager.transport is not None and (self.state != "connected" or self.is_zombie):
            # The SDK would send CLOSE into a dead socket, in a task whose error nobody reads.
            transport, manager.transport = manager.transport, None
            await transport.dispose()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._sdk.close()
        except (TimeoutError, AblyException):
            await self._sdk.http.close()

    def _changed(self, change: Sdk) -> None:
        reason = change.reason
        error = None if reason is None else _explained(reason, f"connect to {self._where}")
        code = getattr(reason, "code", None)
        self._on_state(self, str(change.current.value), error, code)


class SdkHistory:
    """Reads history over REST with a client of its own.

    REST through a realtime client with a token re-authenticates the connection and re-attaches
    every channel at each call, and hangs if that is not answered.
    """

    def __init__(
        self, token: TokenSource, *, endpoint: str | None, tls: bool, timeout_s: float
    ) -> None:
        self._timeout_s = timeout_s
        self._sdk: Sdk = AblyRest(
            auth_callback=_wrapped(token), use_binary_protocol=False, **_host(endpoint, tls=tls)
        )

    async def read(self, name: str, params: Mapping[str, str]) -> HistoryPage:
        """Give one page, newest first, and the parameters of the next."""
        doing = f"read the history of channel {name!r}"
        with _translated(doing):
            async with asyncio.timeout(self._timeout_s):
                page: Sdk = None
                for _ in range(2):
                    page = await self._sdk.request(
                        "GET", f"/channels/{quote_plus(name)}/messages", "5", params=dict(params)
                    )
                    if not 40140 <= _problem(page).get("code", 0) < 40150:
                        break
                    await self._sdk.auth.authorize()  # `request` (3.1.4) renews no token
            if problem := _problem(page):
                code, text = problem["code"] or None, problem.get("message", "no reason given")
                raise translate(code=code, status=page.status_code, text=str(text), doing=doing)
            found = [to_inbound(message) for message in Message.from_encoded_array(page.items)]
        link = page.response.links.get("next")
        more = None if link is None else dict(parse_qsl(urlsplit(link["url"]).query))
        return HistoryPage(found, more)

    async def close(self) -> None:
        """Close."""
        await self._sdk.close()


class SdkChannel:
    """One channel of one SDK client: its calls, with our exceptions."""

    def __init__(self, sdk: Sdk, events: ChannelEvents) -> None:
        self._sdk = sdk
        self._events = events
        sdk.on(self._on_state)

    async def attach(self) -> None:
        """Attach with one listener for good.

        A message named `error` without a listener of its own would take its whole frame with it.
        """
        doing = f"attach to channel {self._sdk.name!r}"
        with _translated(doing, self._sdk):
            results = await asyncio.gather(
                self._sdk.subscribe("error", _ignore),
                self._sdk.subscribe(self._on_message),
                return_exceptions=True,
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        if str(self._sdk.state.value) != "attached":
            raise ConnectFailed(f"unable to {doing}; it is {self._sdk.state.value}")

    async def watch_presence(self) -> None:
        """Have `events.on_presence` called at each change; once for each channel."""
        with _translated(f"watch presence on channel {self._sdk.name!r}", self._sdk):
            await self._sdk.presence.subscribe(self._on_presence)

    async def detach(self) -> None:
        """Detach."""
        with _translated(f"detach from channel {self._sdk.name!r}", self._sdk):
            await self._sdk.detach()

    async def publish(self, messages: tuple[OutboundMessage, ...], ident: str) -> list[str | None]:
        """Publish in one frame and give the serials; `ident` makes sending twice harmless."""
        sent = [
            Message(name=m.name, data=m.data, extras=m.extras, id=f"{ident}:{index}")
            for index, m in enumerate(messages)
        ]
        with _translated(f"publish to channel {self._sdk.name!r}", self._sdk):
            return list((await self._sdk.publish(sent)).serials)

    async def change(
        self,
        action: Literal["append", "update"],
        message: OutboundMessage,
        serial: str,
        metadata: Mapping[str, str] | None,
    ) -> str | None:
        """Append to a message or replace it, and give the new version."""
        call = self._sdk.append_message if action == "append" else self._sdk.update_message
        operation = MessageOperation(metadata=dict(metadata)) if metadata else None
        changed = Message(
            name=message.name or None, data=message.data, extras=message.extras, serial=serial
        )
        with _translated(f"{action} on channel {self._sdk.name!r}", self._sdk):
            result = await call(changed, operation)
        version: str | None = result.version_serial
        return version

    async def enter(self, data: JSON) -> None:
        """Enter presence, or change what is shown there."""
        with _translated(f"enter presence on channel {self._sdk.name!r}", self._sdk):
            await self._sdk.presence.enter(data)

    async def leave(self) -> None:
        """Leave presence."""
        with _translated(f"leave presence on channel {self._sdk.name!r}", self._sdk):
            await self._sdk.presence.leave()

    def members(self) -> list[Member]:
        """Give who is present, as far as is known."""
        members = self._sdk.presence.members.list()
        return [Member(m.client_id, m.data, m.connection_id) for m in members]

    def _on_message(self, message: Sdk) -> None:
        self._events.on_message(self, to_inbound(message))

    def _on_presence(self, _message: Sdk) -> None:
        self._events.on_presence(self)

    def _on_state(self, change: Sdk) -> None:
        state = str(change.current.value)
        if state == "attached":
            # Private, but the only way to read history until the attach. Rewritten by resumed
            # attaches too (against RTL15c), so the channel keeps its own copy.
            serial = self._sdk._RealtimeChannel__attach_serial  # noqa: SLF001
            self._events.on_attached(self, serial, resumed=bool(change.resumed))
        elif state in {"failed", "suspended", "detached"}:
            reason = change.reason
            self._events.on_detached(
                self,
                translate(
                    code=getattr(reason, "code", None),
                    status=getattr(reason, "status_code", None),
                    text=getattr(reason, "message", None) or f"channel {state}",
                    doing=f"stay on channel {self._sdk.name!r}",
                ),
                is_final=state == "failed",
            )


def to_inbound(message: Sdk) -> Inbound:
    """Give the SDK's message as the codecs read it."""
    version = message.version
    data = bytes(message.data) if isinstance(message.data, bytearray) else message.data
    return Inbound(
        action=ACTIONS[message.action],
        serial=message.serial or "",
        version=(version.serial if version else None) or message.serial or "",
        name=message.name,
        data=data,
        extras=message.extras,
        client_id=message.client_id,
        timestamp=message.timestamp,
        version_metadata=version.metadata if version else None,
        id=message.id,
    )


@contextmanager
def _translated(doing: str, sdk: Sdk = None) -> Generator[None, None, None]:
    try:
        yield
    except TransportError:
        raise
    except AblyException as error:
        reason = error
        if error.code == 90001 and sdk is not None and sdk.error_reason is not None:
            reason = sdk.error_reason  # a failed channel: its own reason says more
        raise translate(
            code=reason.code, status=reason.status_code, text=reason.message, doing=doing
        ) from error
    except Exception as error:
        # TypeError from attach (3.1.4 raises None), httpx.
        raise translate(code=None, status=None, text=repr(error), doing=doing) from error


def _settle_sends(manager: Sdk) -> None:
    """Let a send on a dead socket fail as the SDK's own callers expect it.

    3.1.4 lets the socket's exception through: tasks that nobody reads (attach, detach) and the
    re-entering of presence then end in errors that asyncio reports. Remove when it does not.
    """
    send = manager.send_protocol_message

    async def settled(frame: dict[str, JSON]) -> Sdk:
        is_unread = frame.get("action") in {ATTACH, DETACH}
        try:
            return await send(frame)
        except AblyException:
            if is_unread:
                return None  # sent again at the next CONNECTED
            raise
        except Exception as error:
            hush(error)
            if is_unread:
                return None
            raise AblyException(f"the socket is dead: {error}", 400, 80003) from error

    manager.send_protocol_message = settled


def _explained(reason: Exception, doing: str) -> TransportError:
    if isinstance(reason, AblyException):
        return translate(
            code=reason.code, status=reason.status_code, text=reason.message, doing=doing
        )
    return ConnectFailed(f"unable to {doing}; {reason}")


def _problem(page: Sdk) -> dict[str, JSON]:
    first = page.items[0] if page.items else {}
    return {} if 200 <= page.status_code < 300 else {"code": 0, **first.get("error", first)}


def _host(endpoint: str | None, *, tls: bool) -> dict[str, JSON]:
    if endpoint is None:
        return {"tls": tls}
    # The trailing slash makes both the WebSocket address and the REST address right (3.1.4).
    return {"tls": tls, "endpoint": endpoint if endpoint.endswith("/") else f"{endpoint}/"}


def _wrapped(token: TokenSource) -> Callable[[JSON], Awaitable[Sdk]]:
    """Wrap a JWT as the SDK needs it: a bare one costs 15 s where a client id is known."""

    async def details(_params: JSON) -> Sdk:
        jwt = await token()
        claims = read_claims(jwt)
        issued, expires = claims.get("iat", 0), claims.get("exp", time.time() + 3600)
        return TokenDetails(
            token=jwt,
            client_id=claims.get("x-ably-clientId"),
            issued=int(issued * 1000),
            expires=int(expires * 1000),
        )

    return details


def _ignore(_message: Sdk) -> None:
    """The listener that lets messages named `error` through."""


forget_late_news()
hide_secrets()
