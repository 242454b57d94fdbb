"""One channel of a connection: attached once, listened to by many, the same after a rebuild.

Rule: a listener is called in the channel's order, and it is told at once when messages may be
missing; nothing is queued here.
Source: ably-python 3.1.4; the attach serial is copied at each attach that is not a resume
(RTL15c), because the SDK's own copy changes with every attach.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from ...codecs.ably.operations import Inbound, OutboundMessage
from ...errors import (
    ConnectFailed,
    LocalProtocolError,
    RequestRejected,
    StreamInterrupted,
    TransportError,
)

if TYPE_CHECKING:
    from .connection import SdkChannel
    from .supervisor import AblyConnection

__all__ = [
    "AblyChannel",
    "ChannelEvents",
    "ChannelListener",
    "HistoryPage",
    "HistoryReader",
    "Member",
]

JSON: TypeAlias = Any  # any JSON value

PAGE_LIMIT = 100
"""Messages of one page of history. Ably allows up to 1,000."""
UNTIL_ATTACH_S = 100.0
"""Seconds after an attach during which history until it is asked for; Ably allows about 120."""
PAGE_TRIES = 4
"""Times that one page is asked for."""
PAGE_PAUSE_S = 0.1
"""Seconds before the second try; each further pause is twice as long."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Messages newest first, and what to ask for next; None at the beginning of the channel."""

    items: Sequence[Inbound]
    more: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody present, with what it shows of itself."""

    client_id: str | None
    data: JSON
    connection_id: str | None = None


class ChannelEvents(Protocol):
    """What `SdkChannel` tells; `source` says which binding speaks."""

    def on_message(self, source: SdkChannel, message: Inbound) -> None:
        """A message came."""

    def on_presence(self, source: SdkChannel) -> None:
        """Somebody came, changed or left."""

    def on_attached(self, source: SdkChannel, serial: str | None, *, resumed: bool) -> None:
        """Attached, perhaps again; without `resumed` messages may have been missed."""

    def on_detached(self, source: SdkChannel, error: TransportError, *, is_final: bool) -> None:
        """No longer attached; the SDK tries again unless `is_final`."""


class ChannelListener(Protocol):
    """What a session does with a channel. Called from the reader: it must not wait."""

    def on_message(self, message: Inbound) -> None:
        """Take the next message."""

    def on_gap(self) -> None:
        """Know that messages before the next one may be missing; history has them."""

    def on_lost(self, error: TransportError) -> None:
        """Know that nothing more will come: the channel is refused or the connection closed."""


class AblyChannel:
    """The channel of one name on one connection.

    Attributes:
        attach_serial: Where live messages begin; history until here has no gap and no overlap.
    """

    def __init__(self, name: str, connection: AblyConnection) -> None:
        self.name = name
        self.connection = connection
        self.attach_serial: str | None = None
        self._attached_at = 0.0
        self._was_attached = False
        self._sdk: SdkChannel | None = None
        self._listeners: list[ChannelListener] = []
        self._watchers: list[Callable[[], None]] = []
        self._watched: SdkChannel | None = None
        self._lock = asyncio.Lock()
        self._presence: JSON = None
        self._is_present = False
        self._echoes: dict[str, asyncio.Future[str]] = {}

    @asynccontextmanager
    async def listening(self, listener: ChannelListener) -> AsyncGenerator[None, None]:
        """Have `listener` called; attach for the first one, detach after the last.

        Raises:
            ConnectFailed: If there was no answer.
            RequestRejected: If the channel is refused.
        """
        self._listeners.append(listener)
        try:
            async with self._lock:
                if self._sdk is None:
                    await self._attach()
            yield
        finally:
            self._listeners.remove(listener)
            if not self._listeners:
                with suppress(TransportError):
                    await self._detach()

    async def publish(self, messages: tuple[OutboundMessage, ...], ident: str) -> Sequence[str]:
        """Publish in one frame and give the serial of each message.

        Args:
            messages: One or more.
            ident: Publishing again under the same one has no further effect.

        Raises:
            RequestRejected: If Ably refused.
            ConnectFailed: If it was certainly not sent.
            StreamInterrupted: If it may have been sent: publish again with the same `ident`.
        """
        if any(message.name == "error" for message in messages):
            raise LocalProtocolError(
                "unable to publish a message named 'error'; other Ably clients would lose the"
                " frame it comes in"
            )
        loop = asyncio.get_running_loop()
        idents = [f"{ident}:{index}" for index in range(len(messages))]
        echoes: list[asyncio.Future[str]] = [loop.create_future() for _ in idents]
        self._echoes.update(zip(idents, echoes, strict=True))
        try:
            serials = await self._bound().publish(messages, ident)
            if len(serials) == len(messages) and all(serials):
                return [serial for serial in serials if serial]
            async with asyncio.timeout(self.connection.timeout_s):
                return [await echo for echo in echoes]
        except TimeoutError as error:
            raise StreamInterrupted(
                f"unable to publish to channel {self.name!r}; Ably gave no serial"
            ) from error
        finally:
            for each in idents:
                self._echoes.pop(each, None)

    async def change(
        self,
        action: Literal["append", "update"],
        message: OutboundMessage,
        serial: str,
        metadata: Mapping[str, str] | None = None,
    ) -> str | None:
        """Append to a message or replace it, and give its new version.

        Raises:
            RequestRejected: If Ably refused.
            ConnectFailed: If it was certainly not sent.
            StreamInterrupted: If it may have been sent.
        """
        return await self._bound().change(action, message, serial, metadata)

    def history(self) -> HistoryReader:
        """Read back from where live messages began, or from now if that is long ago."""
        is_fresh = time.monotonic() - self._attached_at < UNTIL_ATTACH_S
        return HistoryReader(self, self.attach_serial if is_fresh else None)

    async def present(self, data: JSON) -> None:
        """Show `data` in presence, and again after each loss of the connection.

        Raises:
            RequestRejected: If this client may not.
        """
        self._presence, self._is_present = data, True
        await self._enter()

    async def absent(self) -> None:
        """Leave presence."""
        was_present, self._is_present = self._is_present, False
        if was_present and self._sdk is not None:
            with suppress(TransportError):
                async with asyncio.timeout(self.connection.timeout_s):
                    await self._sdk.leave()

    @asynccontextmanager
    async def watching(self, watcher: Callable[[], None]) -> AsyncGenerator[None, None]:
        """Have `watcher` called whenever `members` may have changed."""
        self._watchers.append(watcher)
        try:
            if self._sdk is not None:
                await self._watch(self._sdk)
            yield
        finally:
            self._watchers.remove(watcher)

    def members(self) -> Sequence[Member]:
        """Give who is present, as far as is known."""
        return self._sdk.members() if self._sdk is not None else ()

    # What the connection and the SDK tell -------------------------------------------------------

    def on_message(self, source: SdkChannel, message: Inbound) -> None:
        """Hand a message to every listener."""
        if source is not self._sdk:
            return
        echo = self._echoes.get(message.id or "") if self._echoes else None
        if echo is not None and not echo.done():
            echo.set_result(message.serial)
        for listener in tuple(self._listeners):
            listener.on_message(message)

    def on_presence(self, source: SdkChannel) -> None:
        """Tell the watchers."""
        if source is self._sdk:
            for watcher in tuple(self._watchers):
                watcher()

    def on_attached(self, source: SdkChannel, serial: str | None, *, resumed: bool) -> None:
        """Note where live messages begin; any attach but the first without resume is a gap."""
        if source is not self._sdk:
            return
        if resumed and self._was_attached:
            return
        self.attach_serial, self._attached_at = serial, time.monotonic()
        if not self._was_attached:
            self._was_attached = True
            return
        for listener in tuple(self._listeners):
            listener.on_gap()
        if self._is_present:
            self.connection.tasks.start_soon(self._enter_again)

    def on_detached(self, source: SdkChannel, error: TransportError, *, is_final: bool) -> None:
        """Tell the listeners if the channel itself is refused; else the connection will be back."""
        if source is self._sdk and is_final and self.connection.is_live:
            self._lose(error)

    def on_closed(self) -> None:
        """Tell the listeners that it is over."""
        self._sdk = None
        self._lose(ConnectFailed(f"channel {self.name!r} ended; the connection was closed"))

    def rebind(self) -> None:
        """Go on with the new client of the connection."""
        if self._sdk is not None:
            self._sdk = self.connection.bind(self.name, self)
            self.connection.tasks.start_soon(self._attach_again, self._sdk)

    def _lose(self, error: TransportError) -> None:
        for listener in tuple(self._listeners):
            listener.on_lost(error)

    def _bound(self) -> SdkChannel:
        if self._sdk is None:
            # Publishing needs no attach.
            return self.connection.bind(self.name, self)
        return self._sdk

    async def _attach(self) -> None:
        sdk = self._sdk = self.connection.bind(self.name, self)
        self._was_attached = False
        try:
            async with asyncio.timeout(self.connection.timeout_s):
                await sdk.attach()
        except TimeoutError as error:
            self._sdk = None
            raise ConnectFailed(
                f"unable to attach to channel {self.name!r}; no answer in"
                f" {self.connection.timeout_s:g} s"
            ) from error
        except BaseException:
            self._sdk = None
            raise

    async def _attach_again(self, sdk: SdkChannel) -> None:
        while sdk is self._sdk:
            try:
                await self.connection.connected()
                async with asyncio.timeout(self.connection.timeout_s):
                    await sdk.attach()
                    if self._watchers:
                        await self._watch(sdk)
            except RequestRejected as error:
                self._lose(error)
                return
            except (TransportError, TimeoutError):
                await asyncio.sleep(PAGE_PAUSE_S)
            else:
                return

    async def _watch(self, sdk: SdkChannel) -> None:
        if self._watched is not sdk:
            # Once for each SDK channel and never undone: its unsubscribe leaks.
            self._watched = sdk
            await sdk.watch_presence()

    async def _detach(self) -> None:
        sdk, self._sdk = self._sdk, None
        if sdk is not None and self.connection.is_live:
            # Without a connection the SDK's detach waits for ever.
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await sdk.detach()
                    self.connection.release(self.name)

    async def _enter(self) -> None:
        with suppress(ConnectFailed, StreamInterrupted, TimeoutError):
            async with asyncio.timeout(self.connection.timeout_s):
                await self._bound().enter(self._presence)

    async def _enter_again(self) -> None:
        with suppress(TransportError):
            await self._enter()


class HistoryReader:
    """A channel's past, page by page, newest first. One reader, one place."""

    def __init__(self, channel: AblyChannel, until: str | None) -> None:
        self._channel = channel
        self._next: Mapping[str, str] | None = {
            "direction": "backwards",
            "limit": str(PAGE_LIMIT),
            **({"fromSerial": until, "from_serial": until} if until else {}),
        }

    @property
    def is_exhausted(self) -> bool:
        """Whether the beginning of the channel was reached."""
        return self._next is None

    async def next_page(self) -> Sequence[Inbound]:
        """Give the next older page, newest message first; empty at the beginning.

        Raises:
            RequestRejected: If reading history is refused.
            StreamInterrupted: If it failed several times.
        """
        pause = PAGE_PAUSE_S
        for left in range(PAGE_TRIES - 1, -1, -1):
            if self._next is None:
                return ()
            try:
                page = await self._channel.connection.read_history(self._channel.name, self._next)
            except RequestRejected as error:
                if error.code != 90008 or "fromSerial" not in self._next:
                    raise
                # The attach is too long ago. Readers drop what they have: read from now.
                self._next = {"direction": "backwards", "limit": str(PAGE_LIMIT)}
            except TransportError:
                if not left:
                    raise
                await asyncio.sleep(pause)
                pause *= 2
            else:
                self._next = page.more
                return page.items
        return ()
