"""JWTs signed with HS256, the only algorithm that Ably takes. Pure.

Why not a library: PyJWT warns about keys below 32 bytes, and `app.key:secret` is what people type
at a development server; the whole of HS256 is one HMAC.
Source: RFC 7515, RFC 7519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

import msgspec

from chat_transport.broker.refusal import Refusal

__all__ = ["jwt_claims", "jwt_key_name", "sign_jwt"]


def _pack(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unpack(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _sections(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Give header, claims and signature, unverified."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Refusal(40101, 401, "Not authorized: invalid token; it is no JWT")
    try:
        header = msgspec.json.decode(_unpack(parts[0]), type=dict[str, Any])
        claims = msgspec.json.decode(_unpack(parts[1]), type=dict[str, Any])
        return header, claims, _unpack(parts[2])
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(40144, 401, f"Unexpected exception decoding token; err = {error}") from error


def sign_jwt(claims: dict[str, Any], *, key_name: str, secret: str) -> str:
    """Give a JWT whose header names the key."""
    header = msgspec.json.encode({"typ": "JWT", "alg": "HS256", "kid": key_name})
    signed = _pack(header) + b"." + _pack(msgspec.json.encode(claims))
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + _pack(digest)).decode()


def jwt_key_name(token: str) -> str:
    """Give the key name that a token says it was signed with.

    Raises:
        Refusal: If it is nothing like a JWT (40101), or one that names no key (40144).
    """
    header, _, _ = _sections(token)
    name = header.get("kid")
    if not isinstance(name, str) or "." not in name:
        raise Refusal(40144, 401, "invalid JWT: header `kid` must be the key's name")
    return name


def jwt_claims(token: str, secret: str) -> dict[str, Any]:
    """Give the claims of a token whose signature is right. Times are not judged here.

    Raises:
        Refusal: If it is no JWT, or not signed with this secret by HS256 (40144).
    """
    header, claims, signature = _sections(token)
    if header.get("alg") != "HS256":
        raise Refusal(40144, 401, f"invalid JWT: algorithm {header.get('alg')!r} is not HS256")
    signed = token.rpartition(".")[0].encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    if not hmac.compare_digest(digest, signature):
        raise Refusal(40144, 401, "invalid JWT: signature verification failed")
    return claims
