"""The broker's key in tests, and JWTs as a token endpoint gives them."""

from __future__ import annotations

import json

import jwt

__all__ = ["KEY", "token_for"]

KEY = "app.key:a-secret-of-at-least-thirty-two-bytes"


def token_for(client_id: str, role: str | None = "user") -> str:
    """Vouch for an identity, and for its role on every channel; None vouches for no role."""
    name, secret = KEY.split(":")
    claims = {
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
        "x-ably-clientId": client_id,
        "x-ably-capability": json.dumps({"*": ["*"]}),
    }
    if role is not None:
        claims["ably.channel.*"] = role
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": name})
