"""Fault switches: everything that a test may want to go wrong, in process or over the admin API.

Rule: a switch changes what the network or the cloud could also do; never the log's truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import msgspec

from chat_transport.broker.refusal import Refusal

__all__ = ["FaultSettings", "Faults", "Rejection"]

Kind: TypeAlias = Literal["publish", "append", "update", "presence", "attach", "history"]


class Rejection(msgspec.Struct, kw_only=True):
    """Refuse every n-th operation of a kind, at most `times` times (None = for ever)."""

    kind: Kind
    every: Annotated[int, msgspec.Meta(ge=1)] = 1
    times: int | None = None
    code: int = 50000
    status: int = 500
    message: str = "rejected by a fault switch"
    channel: str | None = None
    seen: int = 0


class FaultSettings(msgspec.Struct, kw_only=True, rename="camel"):
    """The switches that stay on until they are turned off."""

    delay_ms: int = 0
    """Every outbound frame waits this long; order is kept."""
    hold: bool = False
    """No outbound frame leaves until it is turned off."""
    aggregates: int = 0
    """Every n-th append reaches a subscriber as the whole message instead of its delta; 1 = all."""
    conflate: int = 0
    """Join this many appends of one message into one delivery; 0 or 1 is off."""
    duplicates: int = 0
    """Every n-th delivery of messages reaches a subscriber twice; 1 = all."""
    swaps: int = 0
    """Every n-th delivery of messages comes after the next one of another publisher, if that is
    soon; 1 = all."""
    unavailable: bool = False
    """Answer 503 to every request and connection attempt."""
    refuse_connects: int = 0
    """Answer 503 to this many connection attempts."""
    double_acks: bool = False
    """Send each acknowledgement twice."""
    until_attach_window_ms: int = 0
    """Refuse history until attach (90008) when the attach is older; 0 is off. Ably: 120,000."""
    rate_per_second: int = 0
    """Refuse more messages a second on one channel (42913); 0 is off. Ably: 50."""


class Faults:
    """The switches of one broker, and the single acts."""

    def __init__(self) -> None:
        self.settings = FaultSettings()
        self.rejections: list[Rejection] = []
        self.asked: Counter[Kind] = Counter()
        """How many operations of each kind came, refused ones too."""
        self.on_drop: Callable[[str | None], int] = lambda _: 0
        self.on_forget: Callable[[], int] = lambda: 0
        self.on_expire: Callable[[], int] = lambda: 0
        self.on_release: Callable[[], None] = lambda: None

    def reject(
        self,
        kind: Kind,
        *,
        every: int = 1,
        times: int | None = None,
        code: int = 50000,
        status: int = 500,
        message: str = "rejected by a fault switch",
        channel: str | None = None,
    ) -> None:
        """Refuse every n-th operation of a kind from now on."""
        self.rejections.append(
            Rejection(
                kind=kind,
                every=every,
                times=times,
                code=code,
                status=status,
                message=message,
                channel=channel,
            )
        )

    def check(self, kind: Kind, channel: str) -> None:
        """Count an operation, and raise if a rejection is due for it."""
        self.asked[kind] += 1
        for rule in self.rejections:
            if rule.kind != kind or rule.channel not in (None, channel) or rule.times == 0:
                continue
            rule.seen += 1
            if rule.seen % rule.every == 0:
                if rule.times is not None:
                    rule.times -= 1
                raise Refusal(rule.code, rule.status, rule.message)

    def drop_sockets(self, connection_id: str | None = None) -> int:
        """Cut every socket (or one) without a word; queued frames are lost. Gives their number."""
        return self.on_drop(connection_id)

    def forget_connections(self) -> int:
        """Forget what could be resumed, and cut the sockets. Gives the number of connections."""
        return self.on_forget()

    def expire_tokens(self) -> int:
        """Let every token in use expire now. Gives the number of connections told so."""
        return self.on_expire()

    def update(self, settings: FaultSettings) -> None:
        """Set all switches at once; held frames go out when `hold` is turned off."""
        self.settings = settings
        self.on_release()

    def clear(self) -> None:
        """Turn everything off."""
        self.rejections.clear()
        self.update(FaultSettings())
