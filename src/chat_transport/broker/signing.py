"""What the broker says of a JWT that it is given: Ably's codes for what PyJWT finds. Pure.

Source: RFC 7515, RFC 7519; codes of Ably's error pages.
"""

from __future__ import annotations

from typing import Any

import jwt
import msgspec

from chat_transport._jwt import sign_hs256, verified_hs256
from chat_transport.broker.refusal import Refusal

__all__ = ["jwt_claims", "jwt_key_name", "sign_jwt"]

sign_jwt = sign_hs256
"""Give a JWT whose header names the key."""


def jwt_key_name(token: str) -> str:
    """Give the key name that a token says it was signed with.

    Raises:
        Refusal: If it is nothing like a JWT (40101), or one that names no key (40144).
    """
    if token.count(".") != 2:
        raise Refusal(40101, 401, "Not authorized: invalid token; it is no JWT")
    try:
        name = jwt.get_unverified_header(token).get("kid")
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise _unreadable(error) from error
    if not isinstance(name, str) or "." not in name:
        raise Refusal(40144, 401, "invalid JWT: header `kid` must be the key's name")
    return name


def jwt_claims(token: str, secret: str) -> dict[str, Any]:
    """Give the claims of a token whose signature is right. Times are not judged here.

    Raises:
        Refusal: If it is no JWT, or not signed with this secret by HS256 (40144).
    """
    try:
        return msgspec.json.decode(verified_hs256(token, secret), type=dict[str, Any])
    except jwt.InvalidSignatureError as error:
        raise Refusal(40144, 401, "invalid JWT: signature verification failed") from error
    except jwt.InvalidAlgorithmError as error:
        algorithm = jwt.get_unverified_header(token).get("alg")
        message = f"invalid JWT: algorithm {algorithm!r} is not HS256"
        raise Refusal(40144, 401, message) from error
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> Refusal:
    return Refusal(40144, 401, f"Unexpected exception decoding token; err = {error}")
