"""An app: keys, namespaces and channels, apart from every other app. Pure state.

Source: Ably docs, platform account app; test bodies of ably-common `test-app-setup.json`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeAlias

from chat_transport.broker.channel import Channel, check_channel_name
from chat_transport.broker.faults import Faults
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import SerialClock
from chat_transport.broker.settings import OPEN, Limits, Namespace
from chat_transport.broker.store import Store
from chat_transport.broker.tokens import ApiKey

__all__ = ["App", "Recalled"]

Recalled: TypeAlias = dict[int, tuple[str, list[str | None]]]
"""Channel and resulting serials by msgSerial."""
REMEMBERED_HEADS = 10_000


class App:
    """One app of a broker."""

    def __init__(
        self,
        app_id: str,
        keys: Iterable[ApiKey],
        namespaces: Iterable[Namespace],
        *,
        clock: SerialClock,
        limits: Limits,
        faults: Faults,
        undeclared: Namespace = OPEN,
        store: Store | None = None,
    ) -> None:
        self.id = app_id
        self.keys = {key.name: key for key in keys}
        self.namespaces = {namespace.id: namespace for namespace in namespaces}
        self.channels: dict[str, Channel] = {}
        self.clock = clock
        self.limits = limits
        self.faults = faults
        self.undeclared = undeclared
        """The rules of channels whose namespace is not declared."""
        self.recalled: dict[str, Recalled] = {}
        """What connections did before the broker was restarted: they may send it again."""
        self._store = store
        self._horizon = clock.next()
        """Nothing was logged after this on channels that are not here."""
        self._heads: OrderedDict[str, str] = OrderedDict()
        """Where forgotten channels ended: for these, more exact than the horizon."""
        if store is not None:
            self._horizon = store.mark(f"horizon {app_id}", self._horizon)
            for name in store.channels(app_id):
                self._recall(self.channel(name))

    @property
    def secret(self) -> bytes:
        """What signs connection keys: the same after a restart with the same API keys."""
        secrets = "\n".join(sorted(key.secret for key in self.keys.values()))
        return hashlib.sha256(f"{self.id}\n{secrets}".encode()).digest()

    def key(self, name: str) -> ApiKey:
        """Give a key by its name.

        Raises:
            Refusal: If the app has no such key (40101).
        """
        key = self.keys.get(name)
        if key is None:
            raise Refusal(40101, 401, f"Not authorized: no key {name!r}")
        return key

    def channel(self, name: str | None) -> Channel:
        """Give a channel; it comes into being when first named.

        Raises:
            Refusal: If the name is not one (40010), or there are too many channels (42910).
        """
        channel = self.channels.get(name or "")
        if channel is None:
            name = check_channel_name(name)
            if len(self.channels) >= self.limits.channels_per_app:
                limit = self.limits.channels_per_app
                raise Refusal(
                    42910, 429, f"Maximum number of channels of an app ({limit}) exceeded"
                )
            prefix, colon, _ = name.partition(":")
            namespace = self.namespaces.get(prefix if colon else name, self.undeclared)
            channel = self.channels[name] = Channel(
                name,
                namespace,
                clock=self.clock,
                limits=self.limits,
                faults=self.faults,
                horizon=self._heads.pop(name, self._horizon),
                journal=self._store.journal(self.id, name) if self._store else None,
            )
        return channel

    def expire(self, now_ms: int) -> None:
        """Forget old messages, and channels in which nothing is left."""
        for name, channel in list(self.channels.items()):
            channel.log.expire(now_ms)
            if channel.is_idle and channel.idle_since(now_ms) > self.limits.idle_channel_ms:
                del self.channels[name]
                self._forget(name, channel.log.head)
        weight = sum(channel.log.bytes for channel in self.channels.values())
        while weight > self.limits.app_bytes:
            largest = max(self.channels.values(), key=lambda channel: channel.log.bytes)
            weight -= largest.log.bytes
            largest.log.shed()
            weight += largest.log.bytes

    def _recall(self, channel: Channel) -> None:
        for entry in channel.log.entries:
            connection_id, colon, number = entry.id.partition(":")
            if colon and number.isdigit() and connection_id == entry.connection_id:
                done = self.recalled.setdefault(connection_id, {})
                done[int(number)] = channel.name, entry.serials

    def _forget(self, name: str, head: str) -> None:
        """Remember where an empty channel ended; of many, only the newest end of all."""
        self._heads[name] = head
        if len(self._heads) > REMEMBERED_HEADS:
            _, oldest = self._heads.popitem(last=False)
            self._horizon = max(self._horizon, oldest)
        if self._store is not None:
            self._store.forget(self.id, name, head)
