"""What the head of an HTTP response means to a chat client, and what a server's head holds.

Rule: only 204 on a resume says that nothing is running; every other status outside 200 to 299 is an
error whose text is the body.
Source: `HttpChatTransport` and `createUIMessageStreamResponse` of AI SDK 7.0.173.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from ..errors import RequestRejected
from .ui_stream import RESPONSE_HEADERS

__all__ = ["ResponseKind", "read_head", "rejection", "response_headers"]

ResponseKind: TypeAlias = Literal["stream", "nothing-to-resume", "rejected", "no-body"]


def read_head(status: int, *, resumes: bool, has_body: bool) -> ResponseKind:
    """Say what a response is.

    Args:
        status: The HTTP status.
        resumes: The request was a resume, not a send.
        has_body: The response carries a body, be it empty.
    """
    if resumes and status == 204:
        return "nothing-to-resume"
    if not 200 <= status <= 299:
        return "rejected"
    return "stream" if has_body else "no-body"


def rejection(status: int, body: str) -> RequestRejected:
    """Make the error of a response that is neither a stream nor `nothing-to-resume`."""
    if 200 <= status <= 299:
        return RequestRejected("The response body is empty.", status=status)
    return RequestRejected(body or "Failed to fetch the chat response.", status=status, body=body)


def response_headers(
    own: Mapping[str, str] | Iterable[tuple[str, str]] = (), *, hop_by_hop: bool = False
) -> dict[str, str]:
    """Give the headers of a streamed response; names in lower case, the application's own win.

    Args:
        own: What the application set.
        hop_by_hop: Include `connection`, which HTTP/2 and ASGI forbid.
    """
    headers = {
        name: value
        for name, value in RESPONSE_HEADERS.items()
        if hop_by_hop or name != "connection"
    }
    headers.update((name.lower(), value) for name, value in dict(own).items())
    return headers
