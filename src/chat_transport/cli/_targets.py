"""Which chat the terminal talks to: `http://HOST:PORT` or `ably:CHANNEL`.

Rule: arguments in, a transport that is not entered yet out.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..transport import ChatTransport
from ..transports import ably as ably_transport
from ..transports.http.client import HttpChatTransport
from ._failure import CommandFailed

__all__ = ["AblyTarget", "http_target"]

JSON: TypeAlias = Any  # any JSON value
ANSWER_S = 10


def http_target(address: str) -> tuple[ChatTransport, str]:
    """Give the transport, and the address of the endpoint: `/api/chat` unless it has a path.

    Raises:
        CommandFailed: If it is no http address.
    """
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandFailed(
            f"unable to chat with {address!r}; give http://HOST:PORT or ably:CHANNEL"
        )
    endpoint = address if parts.path.strip("/") else parts._replace(path="/api/chat").geturl()
    return HttpChatTransport(endpoint), endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class AblyTarget:
    """A channel, and how to get there.

    Attributes:
        server: A chat-transport server that gives tokens, knows the broker, and wakes its agent.
        invoke: Where to wake the agent, if not at `server`.
    """

    channel: str
    client_id: str
    key: str | None = None
    endpoint: str | None = None
    tls: bool = True
    server: str | None = None
    invoke: str | None = None

    def transport(self) -> ChatTransport:
        """Give the transport.

        Raises:
            CommandFailed: If neither a key nor a server is given, or the server has no Ably.
        """
        if not self.channel:
            raise CommandFailed("unable to chat without a channel; write ably:CHANNEL")
        if self.server is not None:
            return self._through_server(self.server.rstrip("/"))
        if self.key is None:
            raise CommandFailed(
                "unable to use Ably without a key; give --ably-key, ABLY_API_KEY or --server"
            )
        connection = ably_transport.AblyConnection(
            key=self.key, client_id=self.client_id, endpoint=self.endpoint, tls=self.tls
        )
        return ably_transport.AblyChatTransport(connection, invoke=self.invoke)

    def _through_server(self, server: str) -> ChatTransport:
        found: JSON = _get_json(f"{server}/config.json").get("ably")
        if not isinstance(found, dict):
            raise CommandFailed(f"unable to use Ably through {server}; it serves HTTP only")
        options: dict[str, JSON] = found["clientOptions"]
        port = options.get("port") or options.get("tlsPort")
        host = options.get("endpoint")
        who = urllib.parse.urlencode({"clientId": self.client_id})
        connection = ably_transport.AblyConnection(
            token=ably_transport.token_from(f"{server}/api/auth/token?{who}"),
            endpoint=f"{host}:{port}" if host and port else host,
            tls=options.get("tls", True),
        )
        return ably_transport.AblyChatTransport(
            connection, invoke=self.invoke or f"{server}/api/invoke"
        )


def _get_json(url: str) -> dict[str, JSON]:
    if not url.startswith(("http://", "https://")):
        raise CommandFailed(f"unable to read {url}; give --server http://HOST:PORT")
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310  # checked above
            found: dict[str, JSON] = json.load(answer)
    except (urllib.error.URLError, ValueError, OSError) as error:
        raise CommandFailed(f"unable to read {url}; {error}") from error
    return found
