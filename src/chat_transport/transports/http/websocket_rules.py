"""Who may open a WebSocket, and what one client may ask of it.

Rule: a browser lets any page open a socket to any server and sends the user's cookies along, so a
page from elsewhere is refused unless it is named; without `credentials` it is nobody's page.
Source: RFC 6455, sections 4.2.2 and 10.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from .cors import CorsPolicy
from .exchange import IncomingRequest

__all__ = ["WebSocketRules", "admitted", "chosen_protocol"]

_KNOWS_THE_USER = ("session", "user", "auth")
"""Where frameworks put in the scope what a cookie said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketRules:
    """What a client may do over one socket. None switches a limit off.

    Attributes:
        protocols: Subprotocols that are spoken, the one liked most first. A browser that offers
            some goes away unless one is answered; a token among them is for `authenticate` to read.
        first_frame_s: Seconds for which an opened socket may ask nothing.
        requests: Requests under way at once.
        send_timeout_s: Seconds for which a client may not read; then it has left.
    """

    protocols: Sequence[str] = ()
    first_frame_s: float | None = 30.0
    requests: int | None = 100
    send_timeout_s: float | None = 60.0


def admitted(request: IncomingRequest, cors: CorsPolicy | None) -> IncomingRequest | None:
    """Give the request as hooks may see it; None if its page may not open a socket."""
    origin = request.headers.get("origin")
    if origin is None or _is_own(origin, request):
        return request
    if cors is None or not cors.headers_for(request):
        return None
    return request if cors.credentials else _without_cookies(request)


def chosen_protocol(offered: Sequence[str], spoken: Sequence[str]) -> str | None:
    """Give the subprotocol to answer; None if there is none in common."""
    return next((name for name in spoken if name in offered), None)


def _is_own(origin: str, request: IncomingRequest) -> bool:
    """Whether the page is this server's, by the host that the browser or a proxy names.

    No page can set these headers for a socket.
    """
    host = urlsplit(origin).netloc.lower()
    names = (request.headers.get("host"), request.headers.get("x-forwarded-host"))
    return bool(host) and host in {name.strip().lower() for name in names if name is not None}


def _without_cookies(request: IncomingRequest) -> IncomingRequest:
    headers = {name: value for name, value in request.headers.items() if name != "cookie"}
    scope = {name: value for name, value in request.scope.items() if name not in _KNOWS_THE_USER}
    raw = [pair for pair in scope.get("headers", ()) if bytes(pair[0]).lower() != b"cookie"]
    return replace(request, headers=headers, scope={**scope, "headers": raw})
