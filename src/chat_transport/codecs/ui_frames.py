"""The frames of `WebSocketChatTransport`: many chat requests over one socket, told apart by id.

Rule: fed and asked, no I/O. A frame that breaks the rules ends the whole connection; a frame for a
request that nobody waits for is ignored.
Source: AI SDK 7.0.173 (frames since 7.0.135), recorded in the `websocket` vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from .._strict_json import dumps, loads
from ..chunks import UIMessageChunk
from ..errors import RemoteProtocolError, RequestRejected
from ..inputs import Trigger
from ..messages import UIMessage
from ..validation import validate_messages
from .ui_request import JSON
from .ui_stream import chunk_to_wire, decode_chunk

__all__ = [
    "AbortFrame",
    "ClientFrame",
    "FrameRequests",
    "FrameSink",
    "ResumeFrame",
    "SendFrame",
    "dump_frame",
    "parse_client_frame",
    "server_chunk",
    "server_frame",
]

ServerFrameType: TypeAlias = Literal["start", "chunk", "end", "error", "no-active"]


MAX_SEQUENCE = 2**53 - 1
"""The largest whole number that JavaScript counts to exactly."""


# ── what a client sends ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFrame:
    """Ask for a reply."""

    request_id: str
    chat_id: str
    trigger: Trigger
    messages: Sequence[UIMessage]
    message_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    metadata: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeFrame:
    """Ask for the reply under way; `last_sequence` None replays it from its start."""

    request_id: str
    chat_id: str
    last_sequence: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    metadata: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortFrame:
    """The client no longer reads this request."""

    request_id: str


ClientFrame: TypeAlias = SendFrame | ResumeFrame | AbortFrame


def dump_frame(frame: ClientFrame) -> str:
    """Write a client's frame; absent fields are left out."""
    if isinstance(frame, AbortFrame):
        return dumps({"type": "abort", "requestId": frame.request_id}).decode()
    fields: dict[str, JSON]
    if isinstance(frame, SendFrame):
        fields = {
            "type": "send",
            "requestId": frame.request_id,
            "id": frame.chat_id,
            "trigger": frame.trigger,
        }
        if frame.message_id is not None:
            fields["messageId"] = frame.message_id
        fields["messages"] = [message.to_wire() for message in frame.messages]
    else:
        fields = {"type": "resume", "requestId": frame.request_id, "id": frame.chat_id}
        if frame.last_sequence is not None:
            fields["lastSequence"] = frame.last_sequence
    fields |= {"headers": dict(frame.headers), "body": dict(frame.body)}
    if frame.metadata is not None:
        fields["metadata"] = frame.metadata
    return dumps(fields).decode()


def parse_client_frame(value: JSON) -> ClientFrame:
    """Read a client's frame from JSON that was decoded already.

    Raises:
        RemoteProtocolError: If it is not one, in the words of the AI SDK's own validator.
    """
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise _invalid("request frame", value)
    if value["type"] == "abort":
        if not isinstance(value.get("requestId"), str):
            raise _invalid("abort request", value)
        return AbortFrame(request_id=value["requestId"])
    common = _common(value)
    if value["type"] == "resume":
        last = value.get("lastSequence")
        if "lastSequence" in value and not _is_sequence(last):
            raise _invalid("resume sequence", value)
        return ResumeFrame(last_sequence=last, **common)
    message_id = value.get("messageId")
    if (
        value["type"] != "send"
        or value.get("trigger") not in ("submit-message", "regenerate-message")
        or ("messageId" in value and not isinstance(message_id, str))
    ):
        raise _invalid("send request", value)
    return SendFrame(
        trigger=value["trigger"],
        message_id=message_id,
        messages=_messages(value.get("messages")),
        **common,
    )


def _common(value: dict[str, JSON]) -> dict[str, Any]:
    headers, body = value.get("headers"), value.get("body")
    named = isinstance(value.get("requestId"), str) and isinstance(value.get("id"), str)
    if (
        not named
        or not isinstance(body, dict)
        or not isinstance(headers, dict)
        or not all(isinstance(item, str) for item in headers.values())
    ):
        raise _invalid("request frame", value)
    return {
        "request_id": value["requestId"],
        "chat_id": value["id"],
        "headers": headers,
        "body": body,
        "metadata": value.get("metadata"),
    }


def _messages(raw: JSON) -> list[UIMessage]:
    if not isinstance(raw, list) or not raw:
        raise RemoteProtocolError("Invalid UI messages in WebSocket chat request.", data=raw)
    try:
        return validate_messages(raw)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(
            "Invalid UI messages in WebSocket chat request.", data=error.data
        ) from error


# ── what a server sends ──────────────────────────────────────────────────────────────────────────


def server_frame(
    kind: ServerFrameType,
    request_id: str,
    *,
    error_text: str | None = None,
    run_id: str | None = None,
    counts: bool = False,
) -> str:
    """Write a server's frame other than a chunk.

    Args:
        kind: Which.
        request_id: The request that it answers.
        error_text: Of `error`.
        run_id: Of `start`; ours, for clients that ask.
        counts: Of `no-active`: this server knows places and keys; ours, for clients that ask.
    """
    fields: dict[str, JSON] = {"type": kind, "requestId": request_id}
    if error_text is not None:
        fields["errorText"] = error_text
    if run_id is not None:
        fields["runId"] = run_id
    if counts:
        fields["counts"] = True
    return dumps(fields).decode()


def server_chunk(
    request_id: str, sequence: int, chunk: UIMessageChunk, *, place: str | None = None
) -> str:
    """Write a chunk as a server's frame; `sequence` counts from 0 for each request.

    `place` is ours, for clients that ask: where the reply is resumed behind this chunk, if that is
    not one more than behind the chunk before.
    """
    fields = {
        "type": "chunk",
        "requestId": request_id,
        "sequence": sequence,
        "chunk": chunk_to_wire(chunk),
    }
    if place is not None:
        fields["place"] = place
    return dumps(fields).decode()


# ── the client's side of a connection ────────────────────────────────────────────────────────────


class FrameSink(Protocol):
    """Where what a request gets ends up."""

    def accepted(self, *, active: bool) -> None:
        """A resume is answered: a reply is under way, or none is."""
        ...

    def chunk(self, chunk: UIMessageChunk, place: str | None) -> None:
        """The next chunk, and its place if our server names one."""
        ...

    def known(self, run_id: str | None) -> None:
        """Our server answers, which knows places and keys; and which run speaks, if one does."""
        ...

    def ended(self, error: Exception | None) -> None:
        """Nothing more comes."""
        ...


@dataclass(slots=True)
class _Waiting:
    sink: FrameSink
    settled: bool
    last_sequence: int = -1


class FrameRequests:
    """The requests of one connection that wait for frames."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(
        self, request_id: str, sink: FrameSink, *, resumes: bool, last_sequence: int | None = None
    ) -> None:
        """Expect frames for a request that is about to be sent; the next has one number more."""
        last = -1 if last_sequence is None else last_sequence
        self._waiting[request_id] = _Waiting(sink, settled=not resumes, last_sequence=last)

    def leave(self, request_id: str) -> AbortFrame | None:
        """Stop expecting; gives the frame that tells the server, None if it had ended."""
        if self._waiting.pop(request_id, None) is None:
            return None
        return AbortFrame(request_id=request_id)

    def fail_all(self, error: Exception) -> None:
        """The connection is gone."""
        waiting, self._waiting = self._waiting, {}
        for request in waiting.values():
            request.sink.ended(error)

    def receive(self, text: str | bytes) -> None:
        """Take a server's frame.

        Raises:
            RemoteProtocolError: If the connection cannot go on; close it and `fail_all`.
        """
        try:
            value = loads(text)
        except ValueError as error:
            raise _invalid("response frame", text) from error
        kind = value.get("type") if isinstance(value, dict) else None
        request_id = value.get("requestId") if isinstance(value, dict) else None
        if not isinstance(kind, str) or not isinstance(request_id, str):
            raise _invalid("response frame", value)
        request = self._waiting.get(request_id)
        if request is None:
            return
        if kind == "chunk":
            self._take_chunk(request, value)
        elif kind == "start":
            run_id = value.get("runId")
            if isinstance(run_id, str):
                request.sink.known(run_id)
            self._settle(request, active=True)
        elif kind in {"end", "no-active"}:
            if value.get("counts") is True:
                request.sink.known(None)
            self._settle(request, active=kind == "end")
            del self._waiting[request_id]
            request.sink.ended(None)
        elif kind == "error":
            said = value.get("errorText", "WebSocket chat server returned an error.")
            if not isinstance(said, str):
                raise _invalid("error response", value)
            del self._waiting[request_id]
            request.sink.ended(RequestRejected(said, body=said))
        else:
            raise RemoteProtocolError(f"Unknown WebSocket chat response type: {kind}.", data=value)

    def _take_chunk(self, request: _Waiting, value: dict[str, JSON]) -> None:
        sequence = value.get("sequence")
        if not isinstance(sequence, int) or not _is_sequence(sequence):
            raise _invalid("chunk sequence", value)
        if sequence <= request.last_sequence:
            return
        if sequence != request.last_sequence + 1:
            raise RemoteProtocolError("Out-of-order WebSocket chat chunk sequence.", data=value)
        raw = value.get("chunk")
        try:
            chunk = decode_chunk(raw if isinstance(raw, dict) else dumps(raw), unknown="refuse")
        except RemoteProtocolError as error:
            raise RemoteProtocolError(
                "Invalid UI message chunk in WebSocket response.", data=raw
            ) from error
        self._settle(request, active=True)
        place = value.get("place")
        request.sink.chunk(chunk, place if isinstance(place, str) else None)
        request.last_sequence = sequence

    def _settle(self, request: _Waiting, *, active: bool) -> None:
        if not request.settled:
            request.settled = True
            request.sink.accepted(active=active)


def _is_sequence(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEQUENCE


def _invalid(what: str, value: JSON) -> RemoteProtocolError:
    return RemoteProtocolError(f"Invalid WebSocket chat {what}.", data=value)
