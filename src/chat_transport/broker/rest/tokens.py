"""REST resource that turns a token request, or a key, into a token.

Source: Ably REST API reference, request an access token; features spec RSA8, RSA9.
"""

from __future__ import annotations

from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import Call, Reply
from chat_transport.broker.tokens import (
    TIMESTAMP_WINDOW_MS,
    TokenRequest,
    check_signature,
    grant_token,
)

__all__ = ["request_token"]


def request_token(call: Call) -> Reply:
    """POST /keys/{keyName}/requestToken."""
    broker, name = call.broker, call.segments[1]
    request = call.read(TokenRequest)
    key = broker.credentials.app_of_key(name).key(name)
    if request.key_name not in (None, name):
        raise Refusal(40101, 401, "Not authorized: keyName differs from the path")
    if request.mac is not None:
        check_signature(request, key, broker.now_ms())
        _use_nonce(call, f"{name}:{request.timestamp}:{request.nonce}")
    elif call.identity().is_token or call.identity().key_name != name:
        raise Refusal(40101, 401, "Not authorized: the request is neither signed nor under its key")
    return Reply(201, grant_token(request, key, broker.now_ms()))


def _use_nonce(call: Call, nonce: str) -> None:
    """Refuse a nonce that was used while its timestamp is still current."""
    used, now = call.broker.used_nonces, call.broker.now_ms()
    while used and next(iter(used.values())) < now - 2 * TIMESTAMP_WINDOW_MS:
        used.popitem(last=False)
    if nonce in used:
        raise Refusal(40105, 401, "Nonce value replayed")
    used[nonce] = now
