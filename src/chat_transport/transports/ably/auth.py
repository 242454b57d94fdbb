"""Tokens for Ably: who a client is, what it may do, and which role it has on which channel.

Rule: a token never gives more than was asked for, and a key's secret is never shown.
Source: ably.com/docs/auth/token (JWT claims).
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import jwt

from ..._jwt import sign_hs256
from ...errors import LocalProtocolError

__all__ = [
    "AblyKey",
    "Grant",
    "TokenAsked",
    "TokenEndpoint",
    "make_token",
    "read_claims",
]

JSON: TypeAlias = Any  # any JSON value
Capability: TypeAlias = Mapping[str, Sequence[str]]
"""Channel pattern -> operations: `{"ai:*": ["publish", "subscribe"]}`."""
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CLIENT_OPERATIONS = ("publish", "subscribe", "history", "presence")
"""What a chat client needs on its channels: nothing that changes messages."""
AGENT_OPERATIONS = (*CLIENT_OPERATIONS, "message-update-own")
"""What an agent needs: an append is an update of its own message."""
TTL_S = 3600.0
"""Seconds that a token lives unless told otherwise; the SDK renews it in time."""


@dataclass(frozen=True, slots=True)
class AblyKey:
    """An API key, `app.key:secret`. Its text form hides the secret."""

    name: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> AblyKey:
        """Read `app.key:secret`.

        Raises:
            LocalProtocolError: If the text has another form; the secret is not repeated.
        """
        name, colon, secret = text.strip().partition(":")
        app, dot, key = name.partition(".")
        if not (colon and secret and dot and app and key):
            raise LocalProtocolError(
                "unable to read the Ably key; it has the form appId.keyId:secret"
                " (Ably dashboard, API keys)"
            )
        return cls(name, secret)

    def __str__(self) -> str:
        return f"{self.name}:***"


def make_token(
    key: AblyKey | str,
    *,
    client_id: str | None,
    capability: Capability,
    roles: Mapping[str, str] | None = None,
    ttl_s: float = TTL_S,
    now: float | None = None,
) -> str:
    """Give a signed JWT that Ably and the local broker accept.

    Args:
        key: Signs it; the token can do at most what the key can.
        client_id: The identity that Ably vouches for on everything the holder does;
            None for an anonymous holder.
        capability: What the holder may do, and nothing else. An empty one is refused.
        roles: Channel pattern -> role; others see it as `extras.userClaim` on what the
            holder publishes there, and only this token can put it there.
        ttl_s: Seconds until it expires.
        now: Seconds since 1970; None reads the clock.

    Raises:
        LocalProtocolError: If the capability is empty, the client id is `*` or empty, or
            the lifetime is not positive.
    """
    signer = AblyKey.parse(key) if isinstance(key, str) else key
    if not capability or not all(capability.values()):
        raise LocalProtocolError(
            "unable to make a token without operations; an empty capability would mean all of"
            " the key's: name channels and operations"
        )
    if client_id in {"", "*"}:
        raise LocalProtocolError(
            f"unable to make a token for client id {client_id!r}; give a concrete id or None"
        )
    if ttl_s <= 0:
        raise LocalProtocolError(f"unable to make a token that lives {ttl_s!r} s")
    issued = int(time.time() if now is None else now)
    claims: dict[str, JSON] = {
        "iat": issued,
        "exp": issued + max(1, int(ttl_s)),
        "x-ably-capability": _compact({name: list(can) for name, can in capability.items()}),
    }
    if client_id is not None:
        claims["x-ably-clientId"] = client_id
    for pattern, role in (roles or {}).items():
        claims[f"ably.channel.{pattern}"] = role
    return sign_hs256(claims, key_name=signer.name, secret=signer.secret)


def read_claims(token: str) -> Mapping[str, JSON]:
    """Give the claims of a JWT without checking its signature; empty if it is not a JWT.

    For the holder's own use, such as its client id and expiry. Never a proof of anything.
    """
    try:
        claims: dict[str, JSON] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAsked:
    """What a token request says. All of it is a claim until `grant` has checked it.

    Attributes:
        client_id: Who the caller says it is.
        capability: What it asks for; None asks for whatever it may have.
        headers: Lower-case names; cookies and authorization are in here.
        query: All query parameters.
    """

    client_id: str | None
    capability: Capability | None
    headers: Mapping[str, str]
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the application allows this caller: the token holds no more than this."""

    client_id: str | None
    capability: Capability
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    ttl_s: float = TTL_S


class TokenEndpoint:
    """An ASGI application that answers GET and POST with a token (`application/jwt`).

    `grant` is where the application checks who asks; None from it is 403. What the caller asks
    for narrows the grant and never widens it.
    """

    def __init__(
        self,
        key: AblyKey | str,
        grant: Callable[[TokenAsked], Awaitable[Grant | None] | Grant | None],
    ) -> None:
        self._key = AblyKey.parse(key) if isinstance(key, str) else key
        self._grant = grant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing of it is kept."""
        if scope["type"] != "http":
            raise LocalProtocolError(f"unable to serve {scope['type']!r}; tokens go over http")
        if scope["method"] not in {"GET", "POST"}:
            await _answer(send, 405, "use GET or POST", allow="GET, POST")
            return
        try:
            asked = _asked(scope)
        except ValueError as error:
            await _answer(send, 400, f"unable to read the request; {error}")
            return
        status, body = await self.answer(asked)
        await _answer(send, status, body)

    async def answer(self, asked: TokenAsked) -> tuple[int, str]:
        """Give status and body: the token with 200, or a sentence with 400 or 403."""
        found = self._grant(asked)
        grant = await found if inspect.isawaitable(found) else found
        if grant is None:
            return 403, f"no token for client id {asked.client_id!r}: not allowed here"
        capability = narrow(grant.capability, asked.capability)
        if not capability:
            return 403, "no token: nothing of what was asked for is allowed"
        token = make_token(
            self._key,
            client_id=grant.client_id,
            capability=capability,
            roles=grant.roles,
            ttl_s=grant.ttl_s,
        )
        return 200, token


def narrow(granted: Capability, asked: Capability | None) -> dict[str, list[str]]:
    """Give what is both granted and asked for; everything granted if nothing was asked."""
    if asked is None:
        return {pattern: list(operations) for pattern, operations in granted.items()}
    kept: dict[str, list[str]] = {}
    for wanted, operations in asked.items():
        allowed: set[str] = set()
        for pattern, can in granted.items():
            if _covers(pattern, wanted):
                allowed.update(operations if "*" in can else can)
        both = sorted(allowed if "*" in operations else allowed & set(operations))
        if both:
            kept[wanted] = both
    return kept


def _covers(pattern: str, wanted: str) -> bool:
    if pattern in {"*", wanted}:
        return True
    return pattern.endswith(":*") and wanted.startswith(pattern[:-1])


def _asked(scope: Scope) -> TokenAsked:
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    capability = None
    if "capability" in query:
        capability = json.loads(query["capability"])
        if not isinstance(capability, dict) or not all(
            isinstance(operations, list) for operations in capability.values()
        ):
            raise ValueError('capability is a JSON object such as {"ai:chat": ["subscribe"]}')
    return TokenAsked(
        client_id=query.get("clientId") or None,
        capability=capability,
        headers={
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        },
        query=query,
    )


async def _answer(send: Send, status: int, body: str, *, allow: str | None = None) -> None:
    kind = b"application/jwt" if status == 200 else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
    if allow is not None:
        headers.append((b"allow", allow.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def _compact(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"))
