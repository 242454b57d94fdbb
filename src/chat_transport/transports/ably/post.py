"""Two small HTTP requests, made with the standard library: waking an agent, fetching a token.

Rule: no HTTP library for two requests; each runs in a thread with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from ...errors import ConnectFailed, LocalProtocolError, RequestRejected

__all__ = ["post_json", "token_from"]

JSON: TypeAlias = Any  # any JSON value
DEADLINE_S = 20.0
"""Seconds for one request."""
BODY_LIMIT = 65_536
"""Bytes of an answer that are read."""


async def post_json(url: str, body: JSON, headers: Mapping[str, str] | None = None) -> None:
    """POST JSON; what the answer says beyond its status is of no interest.

    Raises:
        RequestRejected: If the status is not 2xx.
        ConnectFailed: If there was no answer.
    """
    request = urllib.request.Request(  # noqa: S310  # checked in _fetch
        url,
        data=json.dumps(body).encode(),
        headers={**(headers or {}), "content-type": "application/json"},
        method="POST",
    )
    await asyncio.to_thread(_fetch, request)


def token_from(
    url: str, *, headers: Mapping[str, str] | None = None
) -> Callable[[], Awaitable[str]]:
    """Give a `token=` for `AblyConnection` that GETs `url` each time one is needed."""

    async def fetch() -> str:
        request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310  # checked in _fetch
        return (await asyncio.to_thread(_fetch, request)).strip().strip('"')

    return fetch


def _fetch(request: urllib.request.Request) -> str:
    where = f"{request.get_method()} {request.full_url.partition('?')[0]}"
    if request.type not in {"http", "https"}:
        raise LocalProtocolError(f"unable to {where}; use an http or https address")
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:  # noqa: S310  # checked above
            found: bytes = response.read(BODY_LIMIT)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(BODY_LIMIT).decode(errors="replace")
        raise RequestRejected(
            f"unable to {where}; the answer was {error.code} {error.reason}: {text[:200]}",
            status=error.code,
            body=text,
        ) from error
    except OSError as error:
        raise ConnectFailed(f"unable to {where}; {error}") from error
    return found.decode(errors="replace")
