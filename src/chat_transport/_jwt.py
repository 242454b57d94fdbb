"""JWTs signed with HS256, the only algorithm that Ably takes, by PyJWT.

Rule: a secret may be as short as people type it at a development server (`app.key:secret`); PyJWT
warns about keys below 32 bytes, Ably's own have more.
Source: RFC 7515, RFC 7519; ably.com/docs/auth/token.
"""

from __future__ import annotations

import json
from typing import Any

import jwt
from jwt.algorithms import HMACAlgorithm

__all__ = ["sign_hs256", "verified_hs256"]


class _AnySecret(HMACAlgorithm):
    def check_key_length(self, key: bytes) -> str | None:
        return None


_JWS = jwt.PyJWS(algorithms=[])
_JWS.register_algorithm("HS256", _AnySecret(HMACAlgorithm.SHA256))


def sign_hs256(claims: dict[str, Any], *, key_name: str, secret: str) -> str:
    """Give a JWT whose header names the key (`kid`)."""
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _JWS.encode(payload, secret, algorithm="HS256", headers={"kid": key_name})


def verified_hs256(token: str, secret: str) -> bytes:
    """Give the payload of a token whose signature is right; its times are not judged.

    Raises:
        jwt.InvalidTokenError: If it is no JWT, or not signed with this secret by HS256.
    """
    payload: bytes = _JWS.decode(token, secret, algorithms=["HS256"])
    return payload
