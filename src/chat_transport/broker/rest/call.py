"""A REST call and its reply, apart from any HTTP server. No I/O here.

Rule: a path is split at raw slashes before it is decoded, for names may contain `%2F`; a raw `+` is
a space, for ably-python quotes so and ably-js never sends a raw one.
Source: Ably REST API reference; features spec RSC8, TG4.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlencode

import msgspec

from chat_transport.broker.frames import decode_body, encode_body
from chat_transport.broker.identity import Identity
from chat_transport.broker.refusal import Refusal

if TYPE_CHECKING:
    from chat_transport.broker.app import App
    from chat_transport.broker.broker import Broker
    from chat_transport.broker.channel import Channel

__all__ = ["Call", "Reply", "path_segments"]

T = TypeVar("T")
MSGPACK = "application/x-msgpack"


def path_segments(raw_path: str) -> list[str]:
    """Give the decoded segments of a raw path."""
    parts = raw_path.strip("/").split("/")
    return [unquote(part.replace("+", " ")) for part in parts]


def _opens_array(first: bytes) -> bool:
    """Say whether msgpack begins with an array (fixarray, array 16, array 32)."""
    return bool(first) and (first[0] & 0xF0 == 0x90 or first[0] in (0xDC, 0xDD))


class Reply(msgspec.Struct):
    """What goes back."""

    status: int
    value: Any = None
    headers: dict[str, str] = {}
    content_type: str | None = None
    """Set for a body that is text already; else the caller's format is used."""

    def body(self, *, binary: bool) -> bytes:
        """Give the bytes of the body."""
        if self.content_type is not None:
            assert isinstance(self.value, str)
            return self.value.encode()
        return b"" if self.status == 204 else encode_body(self.value, binary=binary)


class Call:
    """One request: who asks, for what, in which format."""

    def __init__(
        self,
        broker: Broker,
        method: str,
        raw_path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        self.broker = broker
        self.method = method
        self.segments = path_segments(raw_path)
        self.query = query
        self.headers = headers
        self._body = body

    @property
    def wants_binary(self) -> bool:
        """Whether the reply is to be msgpack."""
        return MSGPACK in self.headers.get("accept", "").partition(",")[0]

    def identity(self) -> Identity:
        """Give who asks.

        Raises:
            Refusal: If the credentials are missing or not good.
        """
        asked = self.headers.get("x-ably-clientid")
        if asked:
            try:
                asked = base64.b64decode(asked, validate=True).decode()
            except (binascii.Error, ValueError) as error:
                raise Refusal(40012, 400, "invalid clientId: X-Ably-ClientId") from error
        return self.broker.credentials.identify(
            self.query, self.headers.get("authorization"), asked or None
        )

    def app(self) -> App:
        """Give the app of the one who asks."""
        return self.broker.apps[self.identity().app_id]

    def channel_for(self, operation: str) -> Channel:
        """Give the channel that the path names.

        Raises:
            Refusal: If the caller may not do this operation on it (40160).
        """
        identity = self.identity()
        channel = self.broker.apps[identity.app_id].channel(self.segments[1])
        identity.capability.require(channel.name, operation)
        return channel

    def read(self, kind: type[T]) -> T:
        """Give the typed body.

        Raises:
            Refusal: If it is something else (40000).
        """
        return decode_body(self._body, kind, binary=MSGPACK in self.headers.get("content-type", ""))

    def read_many(self, kind: type[T]) -> tuple[list[T], bool]:
        """Give the items of a body that is one of them or a list, and whether it is a list.

        Raises:
            Refusal: If it is something else (40000).
        """
        binary = MSGPACK in self.headers.get("content-type", "")
        first = self._body[:1]
        is_list = self._body.lstrip()[:1] == b"[" if not binary else _opens_array(first)
        if is_list:
            return decode_body(self._body, list[kind], binary=binary), True  # type: ignore[valid-type]
        return [self.read(kind)], False

    def number(self, name: str) -> int | None:
        """Give a whole number from the query.

        Raises:
            Refusal: If it is none (40003).
        """
        text = self.query.get(name)
        if text is None or text == "":
            return None
        try:
            return int(float(text)) if "." in text or "e" in text else int(text)
        except (ValueError, OverflowError) as error:
            raise Refusal(40003, 400, f"Invalid {name} param: {text!r}") from error

    def limit(self) -> int:
        """Give the page size."""
        limit = self.number("limit")
        most = self.broker.limits.history_limit
        if limit is None:
            return min(100, most)
        if not 1 <= limit <= most:
            raise Refusal(40003, 400, f"Invalid limit param: {limit} is not in 1..{most}")
        return limit

    def forwards(self) -> bool:
        """Say whether the oldest come first."""
        direction = self.query.get("direction", "backwards")
        if direction not in ("forwards", "backwards"):
            raise Refusal(40003, 400, f"Invalid direction param: {direction!r}")
        return direction == "forwards"

    def page(self, items: list[Any], cursor: str | None) -> Reply:
        """Give a page with links; `cursor` names the last item if more follow."""
        last = self.segments[-1]
        query = {name: value for name, value in self.query.items() if name != "cursor"}
        query = {k: v for k, v in query.items() if k not in ("key", "access_token", "accessToken")}
        links = [f'<./{last}?{urlencode(query)}>; rel="first"']
        here = dict(query, cursor=self.query["cursor"]) if "cursor" in self.query else query
        links.append(f'<./{last}?{urlencode(here)}>; rel="current"')
        if cursor is not None:
            links.append(f'<./{last}?{urlencode(dict(query, cursor=cursor))}>; rel="next"')
        return Reply(200, items, {"link": ", ".join(links)})
