"""What the server answers beside the chat endpoints: the page, its settings, and Ably's needs.

Rule: nothing of the page is compiled in; it learns from `config.json` where Ably is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import RequestRejected
from ._failure import CommandFailed

__all__ = ["AblyAddress", "InvokeAlias", "find_page", "make_site"]

JSON: TypeAlias = Any  # any JSON value
NO_PAGE = (
    "chat-transport is serving.\n\n"
    "POST /api/chat answers useChat's default transport.\n"
    "Talk to it by `chat-transport chat` with this address. There is no web page here:\n"
    "`make demo` in a checkout builds one; --web FOLDER serves it.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AblyAddress:
    """Where browsers find Ably.

    Attributes:
        endpoint: `host:port` of another broker; None is Ably's cloud.
        tls: Whether it speaks TLS.
        is_ours: The broker runs in this process: browsers reach it where they reached us.
        channel_prefix: Comes before a chat's id in its channel's name.
    """

    endpoint: str | None = None
    tls: bool = True
    is_ours: bool = False
    channel_prefix: str = ""

    def for_page(self, page_host: str) -> dict[str, JSON]:
        """Give what the page hands to Ably's JavaScript SDK."""
        options: dict[str, JSON] = {}
        if self.endpoint is not None:
            host, _, port = self.endpoint.rpartition(":")
            options["endpoint"] = page_host if self.is_ours and page_host else host or port
            options["tls"] = self.tls
            if host:
                options["tlsPort" if self.tls else "port"] = int(port)
        return {"clientOptions": options, "channelPrefix": self.channel_prefix}


def find_page(folder: Path | None) -> Path | None:
    """Give the folder of the built page: the one asked for, else the repository's own.

    Raises:
        CommandFailed: If the folder asked for holds no page.
    """
    if folder is not None:
        if not (folder / "index.html").is_file():
            raise CommandFailed(f"unable to serve {str(folder)!r}; it has no index.html")
        return folder
    root = Path(__file__).resolve().parents[3]
    built = root / "examples" / "web" / "dist"
    return built if (built / "index.html").is_file() else None


def make_site(
    *,
    page: Path | None,
    ably: AblyAddress | None,
    token_endpoint: ASGIApp | None,
    attend: Callable[[str], Awaitable[object]] | None,
    settings: Mapping[str, JSON],
) -> Starlette:
    """Give the application for every path that is not a chat endpoint."""

    async def config(request: Request) -> Response:
        # Ably's SDK wants a name that the browser can reach: the one it reached us by.
        shown = ably.for_page(request.url.hostname or "") if ably is not None else None
        return JSONResponse({**settings, "ably": shown}, headers={"cache-control": "no-store"})

    async def no_page(_: Request) -> Response:
        return PlainTextResponse(NO_PAGE)

    async def session(request: Request) -> Response:
        # A page that opens a chat asks for the agent's presence before the first input.
        assert attend is not None
        name = request.query_params.get("sessionName", "")
        try:
            await attend(name)
        except RequestRejected as error:
            return PlainTextResponse(str(error), status_code=error.status or 400)
        return Response(status_code=204)

    routes: list[BaseRoute] = [Route("/config.json", config)]
    if token_endpoint is not None:
        routes.append(Route("/api/auth/token", token_endpoint))
    if attend is not None:
        routes.append(Route("/api/session", session, methods=["POST"]))
    if page is not None:
        routes.append(Mount("/", StaticFiles(directory=page, html=True)))
    else:
        routes.append(Route("/", no_page))
    return Starlette(routes=routes)


class InvokeAlias:
    """Ably's JavaScript SDK posts to `/api/invoke`; the chat application takes that at its path."""

    def __init__(
        self, app: ASGIApp, *, alias: str = "/api/invoke", path: str = "/api/chat"
    ) -> None:
        self._app = app
        self._alias = alias
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on."""
        if scope["type"] == "http" and scope["path"] == self._alias:
            scope = {**scope, "path": self._path, "raw_path": self._path.encode()}
        await self._app(scope, receive, send)
