"""Reads one channel in order: its newest page, then live messages, with gaps closed from history.

Rule: whoever folds gets every message in the channel's order; nothing older is read until asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from ...codecs.ably.operations import Inbound
from ...errors import TransportError
from .channel import AblyChannel, HistoryReader
from .feed import OrderedFeed

__all__ = ["ChannelFold", "ChannelReader"]

log = logging.getLogger(__name__)


class ChannelFold(Protocol):
    """What a session makes of its channel. Called in order; it must not wait."""

    def take(self, message: Inbound, *, live: bool) -> None:
        """Take the next message; off for history: pages newest first, each page oldest first."""

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change; None if all is idle."""

    def on_healed(self, error: TransportError | None) -> None:
        """Know that what was missed has been read, or why it could not be."""

    def on_lost(self, error: TransportError) -> None:
        """Know that nothing more will come."""


class ChannelReader:
    """One reading of one channel.

    Args:
        channel: Where.
        fold: Gets every message.
    """

    def __init__(self, channel: AblyChannel, fold: ChannelFold) -> None:
        self._channel = channel
        self._fold = fold
        self._feed = OrderedFeed(lambda message, live: self.take(message, live=live))
        self._history: HistoryReader | None = None
        self._paging = asyncio.Lock()
        self._newest = ""
        self._is_open = False

    @property
    def is_held(self) -> bool:
        """Whether live messages wait until history has been read."""
        return self._feed.is_held

    @property
    def is_exhausted(self) -> bool:
        """Whether the beginning of the channel has been read."""
        assert self._history is not None
        return self._history.is_exhausted

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Attach; live messages wait until `begin`."""
        self._feed.hold()
        async with self._channel.listening(self):
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False

    async def begin(self) -> None:
        """Read the newest page of history; live messages follow it without a gap."""
        self._history = self._channel.history()
        page = await self._history.next_page()
        self._feed.release(list(reversed(page)))

    async def load_older(self) -> bool:
        """Read one older page; False if there is none."""
        async with self._paging:
            if self.is_exhausted:
                return False
            assert self._history is not None
            page = await self._history.next_page()
            for message in reversed(page):
                self.take(message, live=False)
            return bool(page)

    def take(self, message: Inbound, *, live: bool) -> None:
        """Hand a message on; one that is not understood is logged and left out."""
        self._newest = max(self._newest, message.serial)
        try:
            self._fold.take(message, live=live)
        except Exception as error:  # noqa: BLE001  # what a stranger publishes must not stop us
            log.warning(
                "message %s on %s is not understood: %r", message.serial, self._channel.name, error
            )

    # From the channel --------------------------------------------------------------------------

    def on_message(self, message: Inbound) -> None:
        """Take a live message."""
        self._feed.give(message)

    def on_gap(self) -> None:
        """Read what was missed before going on."""
        if self._is_open and not self._feed.is_held:
            self._feed.hold()
            self._channel.connection.tasks.start_soon(self._heal)

    def on_lost(self, error: TransportError) -> None:
        """Nothing more will come."""
        self._fold.on_lost(error)

    async def _heal(self) -> None:
        """Read history back to what is known for sure, then go on in order."""
        floor = min(filter(None, [self._fold.oldest_open(), self._newest]), default="")
        missed: list[Inbound] = []
        reader = self._channel.history()
        failure: TransportError | None = None
        try:
            while page := await reader.next_page():
                missed.extend(page)
                if page[-1].serial <= floor:
                    break
        except TransportError as error:
            log.warning("unable to read what was missed on %s: %s", self._channel.name, error)
            failure = error
        self._feed.release(reversed(missed), live=True)
        if self._feed.overflowed:
            self._feed.overflowed = False
            self.on_gap()
        self._fold.on_healed(failure)
