"""Cross-origin answers, for pages that are served from elsewhere.

Rule: off unless set up; credentials are never allowed for every origin.
Source: the Fetch standard, CORS protocol (fetch.spec.whatwg.org, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .exchange import IncomingRequest, Send

__all__ = ["CorsPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsPolicy:
    """Which pages may call this server from a browser.

    Attributes:
        origins: Such as `https://app.example`; `*` means every origin, without credentials.
        credentials: Whether cookies may go along; needs named origins.
        max_age_s: Seconds for which a browser may remember the answer.
    """

    origins: Sequence[str]
    credentials: bool = False
    max_age_s: int = 600

    def __post_init__(self) -> None:
        if self.credentials and "*" in self.origins:
            raise ValueError("origins must be named when credentials are allowed, not '*'")

    def headers_for(self, request: IncomingRequest) -> Mapping[str, str]:
        """Give the headers of an answer; empty if the origin is not allowed."""
        origin = request.headers.get("origin")
        if origin is None or not ("*" in self.origins or origin in self.origins):
            return {}
        headers = {
            "access-control-allow-origin": "*" if "*" in self.origins else origin,
            "access-control-expose-headers": "x-chat-run-id, x-chat-cursor",
            "vary": "origin",
        }
        if self.credentials:
            headers["access-control-allow-credentials"] = "true"
        return headers

    def preflight_for(self, request: IncomingRequest) -> Mapping[str, str]:
        """Give the headers that answer an OPTIONS request."""
        headers = self.headers_for(request)
        if not headers:
            return {}
        asked = request.headers.get("access-control-request-headers", "content-type")
        return {
            **headers,
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": asked,
            "access-control-max-age": str(self.max_age_s),
        }


def with_headers(send: Send, extra: Mapping[str, str]) -> Send:
    """Give a `send` that adds headers to the head of the answer."""
    if not extra:
        return send
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in extra.items()]

    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            assert isinstance(headers, list)
            message = {**message, "headers": [*headers, *raw]}
        await send(message)

    return sending  # type: ignore[return-value]  # ASGI messages are plain dicts
