"""Checks recorded requests, WebSocket frames and resumed streams against our HTTP transport.

Rule: a vector is data; what differs is a sentence. No pytest here.
Source: the vector groups `requests`, `websocket`, `websocket-frames` and `resumable`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlencode

import anyio

from ..chunks import UIMessageChunk
from ..codecs.ui_frames import (
    FrameRequests,
    ResumeFrame,
    SendFrame,
    dump_frame,
    parse_client_frame,
)
from ..codecs.ui_request import HttpRequest, PreparedRequest, RequestDraft, merge_headers
from ..codecs.ui_stream import chunk_to_wire
from ..errors import ChatTransportError, RemoteProtocolError
from ..inputs import Reconnect, SendMessages
from ..messages import UIMessage
from ..transports.http.client import HttpChatTransport
from ._vector_tools import same_json

__all__ = ["HTTP_VECTOR_CHECKS", "check_request", "check_websocket", "check_websocket_frame"]

JSON: TypeAlias = Any  # any JSON value
_REFUSED_REQUEST = "AI_InvalidArgumentError"
_ABORTED = {"name": "AbortError", "message": "This operation was aborted"}
_SOCKET_CLOSED = "WebSocket chat network connection closed"


# ── requests ─────────────────────────────────────────────────────────────────────────────────────


def check_request(vector: Mapping[str, JSON]) -> list[str]:
    """Send what the vector says through a client that only records. Gives what differs."""
    return anyio.run(_check_request, vector)


async def _check_request(vector: Mapping[str, JSON]) -> list[str]:
    options, call = vector["transport"], vector["call"]
    received: list[RequestDraft] = []
    prepare = _prepare_hook(vector, received) if "prepare_returns" in vector else None
    transport = HttpChatTransport(
        options.get("api", "/api/chat"),
        headers=_option(options.get("headers")),
        body=_option(options.get("body")),
        credentials=_option(options.get("credentials")),
        prepare_send=prepare,
        prepare_reconnect=prepare,
    )
    try:
        request = await _request_of(transport, vector["method"], call)
    except ChatTransportError as error:
        refused = {"request": None, "error_name": _REFUSED_REQUEST}
        said = {name: vector.get(name, value) for name, value in refused.items()}
        return _compare("refusal", refused, said) if vector["error"] else [f"raised {error!r}"]
    if vector["error"] or vector.get("error_name"):
        return [f"was not refused: {vector['error']}"]
    wanted = vector["request"]
    differs = _compare("request", _shown(request), wanted)
    if "body_text" in wanted and request.body != wanted["body_text"].encode():
        differs.append(f"body is {request.body!r}")
    if "prepare_received" in vector:
        differs += _compare("hook", _draft_shown(received[0]), vector["prepare_received"])
    return differs


async def _request_of(
    transport: HttpChatTransport, method: str, call: Mapping[str, JSON]
) -> HttpRequest:
    common: dict[str, Any] = {
        "chat_id": call["chatId"],
        "headers": call.get("headers", {}),
        "body": call.get("body", {}),
        "metadata": call.get("metadata"),
    }
    if method == "reconnect":
        return await transport.reconnect_request(Reconnect(**common))
    messages = [UIMessage.model_validate(message) for message in call["messages"]]
    return await transport.send_request(
        SendMessages(
            messages=messages,
            trigger=call["trigger"],
            message_id=call.get("messageId"),
            **common,
        )
    )


def _option(given: JSON) -> JSON:
    """Give an option as the vector says: a value, a function, or a coroutine function."""
    if isinstance(given, dict) and "$fn" in given:

        def now() -> JSON:
            return given["$fn"]

        return now
    if isinstance(given, dict) and "$async" in given:

        async def later() -> JSON:
            return given["$async"]

        return later
    return given


def _prepare_hook(
    vector: Mapping[str, JSON], received: list[RequestDraft]
) -> Callable[[RequestDraft], PreparedRequest]:
    returns = vector["prepare_returns"]

    def prepare(draft: RequestDraft) -> PreparedRequest:
        received.append(draft)
        body = returns.get("body")
        if body == {"$lastMessage": True}:
            body = {"id": draft.id, "message": draft.messages[-1].to_wire()}
        return PreparedRequest(
            api=returns.get("api"),
            headers=returns.get("headers"),
            body=body,
            credentials=returns.get("credentials"),
        )

    return prepare


def _shown(request: HttpRequest) -> dict[str, JSON]:
    body = None if request.body is None else json.loads(request.body)
    return {
        "url": request.url,
        "method": request.method,
        "headers": dict(request.headers),
        "credentials": request.credentials,
        "body": body,
        "body_key_order": None if body is None else list(body),
    }


def _draft_shown(draft: RequestDraft) -> dict[str, JSON]:
    shown: dict[str, JSON] = {
        "api": draft.api,
        "id": draft.id,
        "body": dict(draft.body),
        "headers": dict(draft.headers),
        "credentials": draft.credentials,
        "requestMetadata": draft.metadata,
        "messageId": draft.message_id,
        "trigger": draft.trigger,
    }
    if draft.trigger is not None:
        shown["messages"] = [message.to_wire() for message in draft.messages]
    return {name: value for name, value in shown.items() if value is not None}


def _compare(what: str, ours: Mapping[str, JSON], wanted: Mapping[str, JSON]) -> list[str]:
    names = (set(ours) | set(wanted)) - {"body_text"}
    return [
        f"{what}.{name} is {ours.get(name)!r}, not {wanted.get(name)!r}"
        for name in sorted(names)
        if name not in ours or name not in wanted or not same_json(ours[name], wanted[name])
    ]


# ── websocket frames ─────────────────────────────────────────────────────────────────────────────


def check_websocket_frame(vector: Mapping[str, JSON]) -> list[str]:
    """Validate one client frame as a server would. Gives what differs."""
    try:
        parse_client_frame(vector["value"])
    except RemoteProtocolError as error:
        if vector["valid"]:
            return [f"was refused: {error}"]
        return [] if str(error) == vector["error"] else [f"said {error}, not {vector['error']}"]
    return [] if vector["valid"] else ["was accepted"]


# ── websocket scripts ────────────────────────────────────────────────────────────────────────────


def check_websocket(vector: Mapping[str, JSON]) -> list[str]:
    """Play a script of socket events against the client's frame logic. Gives what differs."""
    session = _ScriptedSession(vector.get("options") or {})
    for step, event in enumerate(vector["script"]):
        session.play(step, event)
        session.log.append({"after": step})
    wanted = [_with_one_word_for_none(entry) for entry in vector["log"]]
    same = same_json(session.log, wanted)
    return [] if same else [f"log is {session.log}, not {wanted}"]


def _with_one_word_for_none(entry: Mapping[str, JSON]) -> dict[str, JSON]:
    """Give the entry with null for "nothing to resume", however a recorder writes it."""
    shown = dict(entry)
    if shown.get("result") in {"null", "no-stream"}:
        shown["result"] = None
    return shown


class _Sink:
    """Writes into the log what a request got."""

    def __init__(self, op: int, log: list[JSON], *, resumes: bool) -> None:
        self._op = op
        self._log = log
        self.is_accepted = self._active = not resumes

    def accepted(self, *, active: bool) -> None:
        self.is_accepted, self._active = True, active
        self._log.append({"op": self._op, "result": "stream" if active else None})

    def chunk(self, chunk: UIMessageChunk, place: str | None) -> None:
        self._log.append({"op": self._op, "chunk": chunk_to_wire(chunk)})

    def known(self, run_id: str | None) -> None:
        raise AssertionError("no recorded server says so")

    def ended(self, error: Exception | None) -> None:
        if error is None:
            if self._active:
                self._log.append({"op": self._op, "end": True})
        else:
            lost = str(error).startswith(_SOCKET_CLOSED)
            said = {"name": "TypeError" if lost else "Error", "message": str(error)}
            how = "stream_error" if self.is_accepted else "rejected"
            self._log.append({"op": self._op, how: said})


class _ScriptedSession:
    """A socket that does what a script says, around the real `FrameRequests`."""

    def __init__(self, options: Mapping[str, JSON]) -> None:
        self.log: list[JSON] = []
        self._options = options
        self._calls: dict[int, JSON] = {}
        self._sinks: dict[int, _Sink] = {}
        self._requests = FrameRequests()
        self._state = "none"
        self._ops: list[tuple[int, str]] = []
        self._waiting: list[tuple[int, str]] = []
        self._begun: set[int] = set()

    def play(self, step: int, event: Mapping[str, JSON]) -> None:
        (kind, value), *_ = event.items()
        getattr(self, f"_on_{kind}")(step, value)

    def _on_send(self, step: int, value: JSON) -> None:
        self._ask(step, "send", value)

    def _on_resume(self, step: int, value: JSON) -> None:
        self._ask(step, "resume", value)

    def _ask(self, step: int, kind: str, call: JSON) -> None:
        self._calls[step] = call if isinstance(call, dict) else {}
        self._ops.append((step, kind))
        self._waiting.append((step, kind))
        if self._state == "none":
            self._state = "connecting"
            query = urlencode(self._options.get("params") or {})
            url = self._options.get("url", "wss://ws.example/chat")
            self.log.append({"connect": f"{url}?{query}" if query else url})
        elif self._state == "open":
            self._flush()

    def _on_open(self, step: int, value: JSON) -> None:
        self._state = "open"
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for op, kind in waiting:
            resumes = kind == "resume"
            name = f"REQ-{len(self._begun)}"
            self._begun.add(op)
            sink = self._sinks[op] = _Sink(op, self.log, resumes=resumes)
            self._requests.begin(name, sink, resumes=resumes)
            self.log.append({"client": json.loads(dump_frame(self._frame(op, name, kind)))})
            if not resumes:
                self.log.append({"op": op, "result": "stream"})

    def _frame(self, op: int, name: str, kind: str) -> SendFrame | ResumeFrame:
        call, options = self._calls[op], self._options
        common: dict[str, Any] = {
            "request_id": name,
            "chat_id": call.get("chatId", "c"),
            "headers": merge_headers(options.get("headers"), call.get("headers")),
            "body": {**(options.get("body") or {}), **(call.get("body") or {})},
            "metadata": call.get("metadata"),
        }
        if kind == "resume":
            return ResumeFrame(**common)
        messages = call.get("messages")
        return SendFrame(
            trigger=call.get("trigger", "submit-message"),
            message_id=call.get("messageId"),
            messages=[UIMessage.user("q", id="u")]
            if messages is None
            else [UIMessage.model_validate(message) for message in messages],
            **common,
        )

    def _on_server(self, step: int, value: JSON) -> None:
        if self._state != "open":
            return
        if isinstance(value, dict) and isinstance(value.get("requestId"), int):
            value = {**value, "requestId": f"REQ-{value['requestId']}"}
        text = value if isinstance(value, str) else json.dumps(value)
        try:
            self._requests.receive(text)
        except RemoteProtocolError as error:
            self._state = "none"
            self.log.append({"client_close": 1011, "reason": "WebSocket chat transport error"})
            self._fail_all(error)

    def _on_abort(self, step: int, op_index: int) -> None:
        op, kind = self._ops[op_index]
        if op not in self._begun:
            self._waiting.remove((op, kind))
            self.log.append({"op": op, "rejected": _ABORTED})
            return
        rejects = kind == "resume" and not self._sinks[op].is_accepted
        self._leave(op, {"rejected": _ABORTED} if rejects else {"end": True})

    def _on_cancel(self, step: int, op_index: int) -> None:
        self._leave(self._ops[op_index][0], {"end": True})

    def _leave(self, op: int, outcome: Mapping[str, JSON]) -> None:
        name = f"REQ-{sorted(self._begun).index(op)}"
        frame = self._requests.leave(name)
        if frame is not None:
            self.log.append({"op": op, **outcome})
            self.log.append({"client": json.loads(dump_frame(frame))})

    def _on_sock_close(self, step: int, value: JSON) -> None:
        self._state = "none"
        code = value["code"]
        why = f": {value['reason']}" if value.get("reason") else ""
        self._fail_all(ChatTransportError(f"{_SOCKET_CLOSED} (code {code}{why})."))

    def _on_close(self, step: int, value: JSON) -> None:
        if self._state == "none":
            return
        self._state = "none"
        self.log.append({"client_close": 1000, "reason": "Client closed transport"})
        self._fail_all(ChatTransportError("WebSocket chat transport was closed."))

    def _fail_all(self, error: ChatTransportError) -> None:
        """Fail every request, those too that waited for the socket; streams are told first."""
        before = len(self.log)
        self._requests.fail_all(error)
        waiting, self._waiting = self._waiting, []
        for op, _kind in waiting:
            _Sink(op, self.log, resumes=True).ended(error)
        self.log[before:] = sorted(self.log[before:], key=lambda entry: "rejected" in entry)


HTTP_VECTOR_CHECKS: Mapping[str, Callable[[Mapping[str, JSON]], Sequence[str]]] = {
    "requests": check_request,
    "websocket": check_websocket,
    "websocket-frames": check_websocket_frame,
}
"""Vector file -> the check of one of its vectors; an empty answer is a pass."""
