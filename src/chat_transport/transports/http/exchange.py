"""One HTTP exchange over plain ASGI: the request as hooks see it, and short answers.

Rule: an error answer is one sentence of plain text; AI SDK clients show it as it is.
Source: ASGI 3 (asgi.readthedocs.io, HTTP connection scope 2.3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import parse_qs, quote, unquote

import msgspec

__all__ = [
    "ASGIApp",
    "ClientLeft",
    "HttpError",
    "IncomingRequest",
    "Receive",
    "Scope",
    "Send",
    "read_body",
    "respond",
    "respond_json",
    "respond_text",
]

Scope: TypeAlias = MutableMapping[str, Any]  # as ASGI defines it
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]


class HttpError(Exception):
    """An answer other than success, raised anywhere inside an exchange.

    Attributes:
        status: The HTTP status.
        text: One sentence for the client.
        headers: Sent along, such as `allow`.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


class ClientLeft(Exception):  # an outcome, not an error
    """The client closed the connection before its request was whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest:
    """A request as authentication and access hooks see it.

    Attributes:
        headers: Names in lower case; of a repeated header the values joined by commas.
        query: The first value of each query parameter.
        segments: The path below the application's, each segment decoded.
        client: The peer's address as the server reports it; None if it does not.
        scope: The ASGI scope, for what frameworks put there (sessions, users).
    """

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    segments: tuple[str, ...]
    client: str | None = None
    scope: Scope = field(repr=False, default_factory=dict[str, Any])

    @classmethod
    def from_scope(cls, scope: Scope, segments: tuple[str, ...]) -> IncomingRequest:
        """Read what a scope says."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope.get("headers", ()):
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        client = scope.get("client")
        return cls(
            method=scope.get("method", "GET"),
            headers=headers,
            query={name: values[0] for name, values in query.items()},
            segments=segments,
            client=client[0] if client else None,
            scope=scope,
        )

    def with_headers(self, headers: Mapping[str, str]) -> IncomingRequest:
        """Give the request with headers overlaid."""
        return replace(self, headers={**self.headers, **headers})


def path_segments(scope: Scope, prefix: str) -> tuple[str, ...] | None:
    """Give the path's segments below `prefix`, or below the mount; None if it is not ours.

    The raw path is read, so that a chat id may hold an encoded slash. An application that is
    mounted anywhere answers below its mount, with or without `prefix`.
    """
    path, mount = quote(scope["path"]), quote(scope.get("root_path", ""))
    raw = scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
    whole, shown = unquote(raw).rstrip("/"), scope["path"].rstrip("/")
    if raw and whole.endswith(shown):
        path = raw
        mount = mount or quote(whole.removesuffix(shown))  # Litestar takes the mount off the path
    root = _split(mount)
    full, own = _split(path), _split(quote(prefix))
    if full[: len(own)] == own:
        return full[len(own) :]
    if not root:
        return None
    below = full[len(root) :] if full[: len(root)] == root else full
    return below[len(own) :] if below[: len(own)] == own else below


def _split(path: str) -> tuple[str, ...]:
    """Split at slashes, then decode; leading and trailing slashes do not count."""
    trimmed = path.strip("/")
    return tuple(unquote(part) for part in trimmed.split("/")) if trimmed else ()


async def read_body(request: IncomingRequest, receive: Receive, limit: int | None) -> bytes:
    """Read the whole body.

    Raises:
        HttpError: 413 as soon as it is known to be longer than `limit` bytes.
        ClientLeft: If the client went away.
    """
    declared = request.headers.get("content-length", "")
    too_long = HttpError(413, f"request body is longer than {limit} bytes")
    if limit is not None and declared.isdigit() and int(declared) > limit:
        raise too_long
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece = message.get("body", b"")
        size += len(piece)
        if limit is not None and size > limit:
            raise too_long
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def respond(
    send: Send, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    """Answer with a whole body."""
    named = {"cache-control": "no-store", **(headers or {})}
    if status != 204:
        named["content-length"] = str(len(body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, value: object, *, status: int = 200) -> None:
    """Answer with JSON."""
    await respond(send, status, msgspec.json.encode(value), {"content-type": "application/json"})


async def respond_text(
    send: Send, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with one sentence."""
    await respond(
        send,
        status,
        text.encode(errors="replace"),
        {"content-type": "text/plain; charset=utf-8", **(headers or {})},
    )
