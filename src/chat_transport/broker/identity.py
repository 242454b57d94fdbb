"""Who a caller is, what it may do, and which clientId its messages bear. Pure.

Source: features spec RSA7, RSA15, RTL6g; table in Ably docs, identified clients.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat_transport.broker.capability import Capability, pattern_matches
from chat_transport.broker.refusal import Refusal

__all__ = ["Identity", "resolve_client_id"]

CLAIM = "ably.channel."
WILDCARD = "*"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller.

    `client_id` is a name, `*` for any, or None for an anonymous caller.
    """

    app_id: str
    key_name: str
    capability: Capability
    client_id: str | None = None
    is_token: bool = False
    expires_ms: int | None = None
    claims: dict[str, Any] = {}

    def client_id_for(self, given: str | None) -> str | None:
        """Give the clientId that a message bears.

        Raises:
            Refusal: If the caller may not speak for `given` (40012).
        """
        if given == WILDCARD:
            raise Refusal(40012, 400, "invalid clientId: '*' cannot be used in a message")
        if self.client_id == WILDCARD:
            return given
        if given is None or given == self.client_id:
            return self.client_id
        raise Refusal(
            40012,
            400,
            f"invalid clientId {given!r}; the caller is {self.client_id or 'anonymous'!r}",
        )

    @property
    def concrete_client_id(self) -> str | None:
        """The caller's own name, if it has exactly one."""
        return None if self.client_id == WILDCARD else self.client_id

    def user_claim(self, channel: str) -> str | None:
        """Give the claim of the most specific `ably.channel.*` pattern for a channel."""
        best: tuple[int, str] | None = None
        for name, value in self.claims.items():
            pattern = name.removeprefix(CLAIM)
            if pattern == name or not pattern_matches(pattern, channel):
                continue
            rank = 1_000_000 if pattern == channel else len(pattern)
            if best is None or rank > best[0]:
                best = (rank, str(value))
        return best[1] if best else None


def resolve_client_id(granted: str | None, asked: str | None, *, is_token: bool) -> str | None:
    """Give the identity's clientId from the credential's and the asked one.

    Raises:
        Refusal: If the credential does not permit the asked one (40102).
    """
    if asked == WILDCARD:
        asked = None
    if not is_token:
        return asked or WILDCARD
    if granted == WILDCARD:
        return asked or WILDCARD
    if asked is not None and asked != granted:
        raise Refusal(40102, 401, f"Invalid clientId for credentials; {asked!r} is not {granted!r}")
    return granted
