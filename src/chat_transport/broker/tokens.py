"""Keys and tokens: token requests, JWTs, and the identity that a credential gives. Pure.

Rule: a token that the broker mints is a JWT under the key that asked, so no list of tokens is kept
and a token survives a restart of the broker. An expired token is 40142: both SDKs renew then.
Source: features spec RSA9, TK*; Ably docs, JWTs; codes of the error pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Any

import msgspec

from chat_transport.broker.capability import ALL, Capability
from chat_transport.broker.identity import Identity, resolve_client_id
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.serials import new_id
from chat_transport.broker.signing import jwt_claims, sign_jwt

__all__ = [
    "ApiKey",
    "TokenDetails",
    "TokenRequest",
    "check_signature",
    "grant_token",
    "identity_of_key",
    "identity_of_token",
    "same_secret",
]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TIMESTAMP_WINDOW_MS = 120_000


class ApiKey(msgspec.Struct, frozen=True):
    """A key of an app: `app_id.key_id:secret`."""

    name: str
    secret: str
    capability: Capability = ALL

    @classmethod
    def parse(cls, text: str, capability: Capability = ALL) -> ApiKey:
        """Read `app.key:secret`.

        Raises:
            ValueError: If it has another form.
        """
        name, _, secret = text.partition(":")
        app_id, _, key_id = name.partition(".")
        if not (app_id and key_id and secret):
            raise ValueError(f"a key looks like app.key:secret, not {name!r} with its secret")
        return cls(name, secret, capability)

    @property
    def app_id(self) -> str:
        """The app that the key belongs to."""
        return self.name.partition(".")[0]

    @property
    def text(self) -> str:
        """The whole key, secret included."""
        return f"{self.name}:{self.secret}"


class TokenRequest(msgspec.Struct, rename="camel"):
    """The body of `POST /keys/{keyName}/requestToken`."""

    key_name: str | None = None
    ttl: int | float | str | None = None
    capability: Any = None
    client_id: str | None = None
    timestamp: int | float | str | None = None
    nonce: str | None = None
    mac: str | None = None


class TokenDetails(msgspec.Struct, omit_defaults=True, rename="camel"):
    """The answer to a token request (TD)."""

    token: str
    key_name: str
    issued: int
    expires: int
    capability: str
    client_id: str | None = None


def _number(value: float | str | None, name: str) -> int | None:
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (ValueError, OverflowError) as error:
        raise Refusal(40003, 400, f"invalid {name} in token request: {value!r}") from error


def check_signature(request: TokenRequest, key: ApiKey, now_ms: int) -> None:
    """Verify the mac and the moment of a signed token request.

    Raises:
        Refusal: If the mac is wrong (40101) or the timestamp is not current (40104).
    """

    def text(value: object) -> str:
        return "" if value is None else str(value)

    signed = "".join(
        f"{text(value)}\n"
        for value in (
            request.key_name,
            request.ttl,
            request.capability,
            request.client_id,
            request.timestamp,
            request.nonce,
        )
    )
    digest = hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).digest()
    try:
        given = base64.b64decode(request.mac or "", validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if not hmac.compare_digest(digest, given):
        raise Refusal(40101, 401, "Not authorized: invalid mac in token request")
    timestamp = _number(request.timestamp, "timestamp")
    if timestamp is None or abs(timestamp - now_ms) > TIMESTAMP_WINDOW_MS:
        raise Refusal(40104, 401, "Timestamp not current")
    if not request.nonce or len(request.nonce) < 16:
        raise Refusal(40105, 401, "Nonce too short or missing in token request")


def grant_token(request: TokenRequest, key: ApiKey, now_ms: int) -> TokenDetails:
    """Give a token for a request that was verified, or that came with the key itself.

    Raises:
        Refusal: If the capability is empty for this key (40160) or the ttl too long (40003).
    """
    ttl = _number(request.ttl, "ttl")
    ttl = HOUR_MS if ttl is None else ttl
    if not 0 < ttl <= DAY_MS:
        raise Refusal(40003, 400, f"invalid ttl {ttl}; it must be above 0 and at most {DAY_MS} ms")
    capability = key.capability
    if request.capability not in (None, ""):
        text = request.capability
        if not isinstance(text, str):
            text = msgspec.json.encode(text).decode()
        capability = capability.intersect(Capability.parse(text, known_only=True))
    if request.client_id == "":
        raise Refusal(40012, 400, "invalid clientId: it must not be empty")
    claims: dict[str, Any] = {
        "iat": now_ms / 1000,
        "exp": (now_ms + ttl) / 1000,
        "x-ably-capability": capability.text,
        "jti": new_id(12),
    }
    if request.client_id is not None:
        claims["x-ably-clientId"] = request.client_id
    token = sign_jwt(claims, key_name=key.name, secret=key.secret)
    return TokenDetails(
        token=token,
        key_name=key.name,
        issued=now_ms,
        expires=now_ms + ttl,
        capability=capability.text,
        client_id=request.client_id,
    )


def identity_of_token(token: str, key: ApiKey, asked: str | None, now_ms: int) -> Identity:
    """Give the identity of a token.

    Raises:
        Refusal: If it is expired (40142), not signed by the key (40144), grants nothing (40160),
            or does not permit the asked clientId (40102).
    """
    claims = jwt_claims(token, key.secret)
    expires = _claimed_number(claims, "exp")
    _claimed_number(claims, "iat")
    expires_ms = int(expires * 1000)
    if expires_ms <= now_ms:
        raise Refusal(40142, 401, "Token expired")
    capability = key.capability
    text = claims.get("x-ably-capability")
    if text is not None:
        if not isinstance(text, str):
            raise Refusal(40144, 401, "invalid JWT: x-ably-capability must be a JSON string")
        capability = capability.intersect(Capability.parse(text))
    granted = claims.get("x-ably-clientId")
    if granted is not None and not isinstance(granted, str):
        raise Refusal(40144, 401, "invalid JWT: x-ably-clientId must be a string")
    return Identity(
        app_id=key.app_id,
        key_name=key.name,
        capability=capability,
        client_id=resolve_client_id(granted, asked, is_token=True),
        is_token=True,
        expires_ms=expires_ms,
        claims={name: value for name, value in claims.items() if name.startswith("ably.channel.")},
    )


def _claimed_number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(40144, 401, f"invalid JWT: claim {name!r} must be a number")
    return float(value)


def identity_of_key(key: ApiKey, asked: str | None) -> Identity:
    """Give the identity of a caller that showed the key itself."""
    return Identity(
        app_id=key.app_id,
        key_name=key.name,
        capability=key.capability,
        client_id=resolve_client_id(None, asked, is_token=False),
    )


def same_secret(key: ApiKey, secret: str) -> bool:
    """Compare in constant time."""
    return secrets.compare_digest(key.secret.encode(), secret.encode())
