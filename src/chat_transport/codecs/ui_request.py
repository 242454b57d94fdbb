"""What a client asks over HTTP: URLs, headers and bodies, built here and read here.

Rule: no I/O; values are resolved before they come in, and what comes in from a peer is a claim.
Source: `DefaultChatTransport` of AI SDK 7.0.173, recorded in the `requests` vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from .._strict_json import dumps, loads
from ..errors import LocalProtocolError, RemoteProtocolError
from ..inputs import Trigger
from ..messages import UIMessage
from ..validation import validate_messages

__all__ = [
    "ChatRequest",
    "Credentials",
    "HttpRequest",
    "PreparedRequest",
    "RequestDraft",
    "RequestLimits",
    "build_reconnect",
    "build_send",
    "chat_url",
    "check_limits",
    "dump_json",
    "load_object",
    "merge_headers",
    "parse_chat_request",
]

JSON: TypeAlias = Any  # any JSON value
Credentials: TypeAlias = Literal["omit", "same-origin", "include"]

_UNRESERVED = "-_.!~*'()"
"""What JavaScript's `encodeURIComponent` leaves as it is, beside letters and digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDraft:
    """A request as the transport would send it; what a prepare hook gets.

    Attributes:
        api: The transport's URL.
        id: The chat.
        headers: Transport's and call's, merged; names in lower case.
        body: Transport's and call's, merged, without the protocol's own fields.
        credentials: Whether cookies go along; None leaves it to the HTTP client.
        metadata: The call's; reaches the hook only.
        messages: The whole conversation; empty on reconnect.
        trigger: None on reconnect.
        message_id: As in `SendMessages`.
    """

    api: str
    id: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    credentials: Credentials | None = None
    metadata: JSON = None
    messages: Sequence[UIMessage] = ()
    trigger: Trigger | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """What a prepare hook returns. None keeps the default of that field.

    Attributes:
        api: Used as it is, also on reconnect.
        headers: Replace the merged ones; `content-type` is still added on send.
        body: Replaces the whole body: nothing is added back.
        credentials: Replaces the merged value.
    """

    api: str | None = None
    headers: Mapping[str, str | None] | None = None
    body: Mapping[str, JSON] | None = None
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request ready for an HTTP library; `body` is UTF-8 JSON, None for GET."""

    method: str
    url: str
    headers: Mapping[str, str]
    credentials: Credentials | None
    body: bytes | None


def merge_headers(*layers: Mapping[str, str | None] | None) -> dict[str, str]:
    """Overlay headers: names in lower case, later layers win, None entries dropped."""
    merged: dict[str, str] = {}
    for layer in layers:
        for name, value in (layer or {}).items():
            if value is not None:
                merged[name.lower()] = value
    return merged


def build_send(draft: RequestDraft, prepared: PreparedRequest | None = None) -> HttpRequest:
    """Give the POST that asks for a reply."""
    prepared = prepared or PreparedRequest()
    body: dict[str, JSON]
    if prepared.body is not None:
        body = dict(prepared.body)
    else:
        body = {**draft.body, "id": draft.id}
        body["messages"] = [message.to_wire() for message in draft.messages]
        body["trigger"] = draft.trigger
        if draft.message_id is None:
            body.pop("messageId", None)
        else:
            body["messageId"] = draft.message_id
    headers = draft.headers if prepared.headers is None else prepared.headers
    return HttpRequest(
        method="POST",
        url=draft.api if prepared.api is None else prepared.api,
        headers=merge_headers({"content-type": "application/json"}, headers),
        credentials=prepared.credentials or draft.credentials,
        body=dump_json(body),
    )


def build_reconnect(draft: RequestDraft, prepared: PreparedRequest | None = None) -> HttpRequest:
    """Give the GET that finds the reply under way.

    Raises:
        LocalProtocolError: If the chat id is `.` or `..`, which a URL path cannot carry.
    """
    prepared = prepared or PreparedRequest()
    headers = draft.headers if prepared.headers is None else prepared.headers
    url = chat_url(draft.api, draft.id, "stream") if prepared.api is None else prepared.api
    return HttpRequest(
        method="GET",
        url=url,
        headers=merge_headers(headers),
        credentials=prepared.credentials or draft.credentials,
        body=None,
    )


def chat_url(api: str, chat_id: str, action: str = "") -> str:
    """Give the URL of a chat below `api`: `{path}/{chat id}[/action]`, query and fragment kept.

    Raises:
        LocalProtocolError: If the chat id is `.` or `..`, which a URL path cannot carry.
    """
    if chat_id in {".", ".."}:
        raise LocalProtocolError(
            f"unable to address chat {chat_id!r}; chat ids must not be '.' or '..' "
            "with the default URL: give an `api` in the prepare hook"
        )
    cut = min((at for at in (api.find("?"), api.find("#")) if at >= 0), default=len(api))
    path, rest = api[:cut], api[cut:]
    name = quote(chat_id, safe=_UNRESERVED, errors="replace")
    return f"{path.removesuffix('/')}/{name}{'/' + action if action else ''}{rest}"


def dump_json(value: JSON) -> bytes:
    """Encode a body as JSON.

    Raises:
        LocalProtocolError: If the value holds what JSON cannot say.
    """
    try:
        return dumps(value)
    except (TypeError, ValueError) as error:
        raise LocalProtocolError(f"unable to send a body that is not JSON; {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What a server accepts from a client it does not know. None switches a limit off.

    Attributes:
        body_bytes: Size of a request body.
        messages: Messages in one request.
        parts: Parts in one message.
        part_bytes: Size of one part as JSON (data URLs of files are the usual giants).
        chat_id_chars: Length of a chat id.
    """

    body_bytes: int | None = 4 * 1024 * 1024
    messages: int | None = 1000
    parts: int | None = 200
    part_bytes: int | None = 2 * 1024 * 1024
    chat_id_chars: int | None = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A client's wish for a reply, with its shape checked and nothing believed.

    Attributes:
        extra: The fields of the body that are not the protocol's own.
    """

    chat_id: str
    messages: Sequence[UIMessage]
    trigger: Trigger
    message_id: str | None
    extra: Mapping[str, JSON]


_OWN_FIELDS = frozenset({"id", "messages", "message", "trigger", "messageId"})


def parse_chat_request(fields: Mapping[str, JSON], limits: RequestLimits) -> ChatRequest:
    """Read the object in a POST. `message` instead of `messages` is the last message alone.

    Raises:
        RemoteProtocolError: With a sentence that says what is wrong, and where.
    """
    chat_id = _text(fields, "id")
    if limits.chat_id_chars is not None and len(chat_id) > limits.chat_id_chars:
        raise _bad("id", f"is longer than {limits.chat_id_chars} characters")
    trigger = fields.get("trigger", "submit-message")
    if trigger not in ("submit-message", "regenerate-message"):  # may not be hashable
        raise _bad("trigger", "must be 'submit-message' or 'regenerate-message'", trigger)
    message_id = fields.get("messageId")
    if message_id is not None and not isinstance(message_id, str):
        raise _bad("messageId", "must be a string", message_id)
    raw = check_limits(fields, limits)
    if not raw and trigger == "submit-message":
        raise _bad("messages", "must not be empty")
    messages = validate_messages(raw) if raw else []
    return ChatRequest(
        chat_id=chat_id,
        messages=messages,
        trigger=trigger,
        message_id=message_id,
        extra={name: value for name, value in fields.items() if name not in _OWN_FIELDS},
    )


def load_object(body: bytes) -> dict[str, JSON]:
    """Read a JSON object.

    Raises:
        RemoteProtocolError: If it is not one, with the place of the fault.
    """
    try:
        value = loads(body)
    except ValueError as error:
        raise RemoteProtocolError(f"request body is not JSON; {error}") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"request body must be a JSON object, not {_kind(value)}")
    return value


def check_limits(fields: Mapping[str, JSON], limits: RequestLimits) -> list[JSON]:
    """Give the raw messages of a request, their number and sizes checked, not yet their shape.

    Raises:
        RemoteProtocolError: With a sentence that says which is too large.
    """
    raw = fields.get("messages", [fields["message"]] if "message" in fields else None)
    if not isinstance(raw, list):
        raise _bad("messages", "must be a list of messages", raw)
    if limits.messages is not None and len(raw) > limits.messages:
        raise _bad("messages", f"has {len(raw)} entries; {limits.messages} are allowed")
    for index, item in enumerate(raw):
        where = f"messages[{index}]"
        parts = item.get("parts") if isinstance(item, dict) else None
        if not isinstance(parts, list):
            raise _bad(where, "must be an object with a list `parts`", item)
        if limits.parts is not None and len(parts) > limits.parts:
            raise _bad(f"{where}.parts", f"has {len(parts)} entries; {limits.parts} are allowed")
        if limits.part_bytes is not None:
            _check_parts(parts, where, limits.part_bytes)
    return raw


def _check_parts(parts: list[JSON], where: str, part_bytes: int) -> None:
    for at, part in enumerate(parts):
        size = len(dumps(part))
        if size > part_bytes:
            raise _bad(f"{where}.parts[{at}]", f"takes {size} bytes; {part_bytes} are allowed")


def _text(fields: Mapping[str, JSON], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _bad(name, "must be a non-empty string", value)
    return value


def _bad(where: str, what: str, value: JSON = None) -> RemoteProtocolError:
    shown = "" if value is None else f", not {_kind(value)}"
    return RemoteProtocolError(f"`{where}` {what}{shown}", data={"where": where})


def _kind(value: JSON) -> str:
    if isinstance(value, str) and len(value) <= 40:
        return repr(value)
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}.get(
        type(value), "null" if value is None else "a number"
    )
