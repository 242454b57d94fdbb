"""Capabilities: which operations on which channels. Pure.

Rule: `:` separates segments; `*` alone is one segment, at the end any number; `a*` is literal.
Source: ably.com/docs/auth/capabilities; intersections by ably-js `rest/capability.test.js`.
"""

from __future__ import annotations

import re

import msgspec

from chat_transport.broker.refusal import Refusal

__all__ = ["ALL", "Capability", "covers", "pattern_matches"]

OPERATIONS = frozenset(
    [
        "*",
        "publish",
        "subscribe",
        "presence",
        "history",
        "stats",
        "channel-metadata",
        "push-subscribe",
        "push-admin",
        "privileged-headers",
        "annotation-publish",
        "annotation-subscribe",
        "message-update-own",
        "message-update-any",
        "message-delete-own",
        "message-delete-any",
        "object-subscribe",
        "object-publish",
    ]
)
PREFIX = re.compile(r"^\[[^\]]*\]")


def pattern_matches(pattern: str, channel: str) -> bool:
    """Say whether a resource pattern takes in a channel name."""
    qualifier = PREFIX.match(pattern)
    if qualifier:
        if qualifier.group() != "[*]":
            return False
        pattern = pattern[qualifier.end() :]
    if pattern == "*":
        return True
    wanted, given = pattern.split(":"), channel.split(":")
    if wanted[-1] == "*":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        w in ("*", g) for w, g in zip(wanted, given, strict=True)
    )


def covers(wide: str, narrow: str) -> bool:
    """Say whether every channel of pattern `narrow` is one of pattern `wide`."""
    return wide in (narrow, "*", "[*]*") or pattern_matches(wide, narrow)


def _common(a: frozenset[str], b: frozenset[str]) -> frozenset[str]:
    if "*" in a:
        return b
    return a if "*" in b else a & b


class Capability:
    """A set of permissions: resource pattern to operations."""

    def __init__(self, rules: dict[str, frozenset[str]]) -> None:
        self.rules = rules
        self._known: dict[tuple[str, str], bool] = {}

    @classmethod
    def parse(cls, text: str, *, known_only: bool = False) -> Capability:
        """Read `{"pattern": ["op", ...]}`.

        Args:
            text: JSON.
            known_only: Whether unknown, missing or mixed operations are refused.

        Raises:
            Refusal: If it is not such an object (40000).
        """
        try:
            rules = msgspec.json.decode(text, type=dict[str, list[str]])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Refusal(40000, 400, f"invalid capability: {error}") from error
        for resource, ops in rules.items() if known_only else ():
            if not ops or not OPERATIONS.issuperset(ops) or ("*" in ops and len(ops) > 1):
                raise Refusal(40000, 400, f"invalid capability: {resource!r} has {ops!r}")
        return cls({resource: frozenset(ops) for resource, ops in rules.items()})

    def allows(self, channel: str, operation: str) -> bool:
        """Say whether an operation on a channel is permitted."""
        key = (channel, operation)
        known = self._known.get(key)
        if known is None:
            if len(self._known) > 1000:
                self._known.clear()
            known = self._known[key] = any(
                (operation in ops or "*" in ops) and pattern_matches(resource, channel)
                for resource, ops in self.rules.items()
            )
        return known

    def require(self, channel: str, operation: str) -> None:
        """Raise 40160 unless the operation on the channel is permitted."""
        if not self.allows(channel, operation):
            raise Refusal(
                40160,
                401,
                f"operation not permitted with provided capability; {operation} on {channel!r}",
            )

    def intersect(self, other: Capability) -> Capability:
        """Give what both permit.

        Raises:
            Refusal: If that is nothing (40160).
        """
        rules: dict[str, frozenset[str]] = {}
        for mine, my_ops in self.rules.items():
            for theirs, their_ops in other.rules.items():
                ops = _common(my_ops, their_ops)
                if not ops:
                    continue
                if covers(mine, theirs):
                    narrow = theirs
                elif covers(theirs, mine):
                    narrow = mine
                else:
                    continue
                rules[narrow] = rules.get(narrow, frozenset()) | ops
        if not rules:
            raise Refusal(40160, 401, "unable to grant any of the requested capability")
        return Capability(rules)

    @property
    def text(self) -> str:
        """The canonical JSON text: sorted resources, sorted operations."""
        ordered = {
            resource: ["*"] if "*" in ops else sorted(ops)
            for resource, ops in sorted(self.rules.items())
        }
        return msgspec.json.encode(ordered).decode()


ALL = Capability({"*": frozenset({"*"})})
