"""The server's end of `WebSocketChatTransport`: many requests of one client over one socket.

Rule: each frame is authenticated anew by its own headers; a socket that closes is a client that
left, an `abort` frame is a user that stopped.
Source: AI SDK 7.0.173, frames since 7.0.135.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import aclosing
from itertools import count

import anyio
from anyio.abc import TaskGroup

from ..._chunk_log import ChunkLog
from ..._strict_json import loads
from ..._tasks import open_task_group
from ...agent.runtime import ActiveRun
from ...chunks import Error, OpaqueChunk, UIMessageChunk
from ...codecs.retold import retold
from ...codecs.ui_frames import (
    AbortFrame,
    ClientFrame,
    ResumeFrame,
    SendFrame,
    parse_client_frame,
    server_chunk,
    server_frame,
)
from ...codecs.ui_request import ChatRequest, check_limits
from ...errors import ChatTransportError, RemoteProtocolError, StreamInterrupted
from .exchange import HttpError, IncomingRequest, Receive, Send
from .placed_chunks import placed_chunks
from .reply_keeping import logged
from .reply_place import next_place
from .routes import (
    CURSOR_HEADER,
    INTERRUPTED_TEXT,
    KEY_HEADER,
    RUN_HEADER,
    ChatRoutes,
    parse_place,
)
from .run_log import LoggedRun
from .websocket_rules import admitted, chosen_protocol

__all__ = ["serve_websocket"]

POLICY_VIOLATION = 1008
"""WebSocket close code for a client that does not speak this protocol (RFC 6455, 7.4.1)."""
LOOKS = 4
"""How often it is looked, in the time that a client has to take a frame."""
TOO_LONG = 1009
"""WebSocket close code for a frame that is too long."""


async def serve_websocket(
    routes: ChatRoutes, request: IncomingRequest, receive: Receive, send: Send
) -> None:
    """Serve one socket until it closes; runs go on as the application decided."""
    if (await receive())["type"] != "websocket.connect":
        return
    rules = routes.settings.websocket
    known = admitted(request, routes.settings.cors)
    if known is None:  # before accept: a 403
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    protocol = chosen_protocol(request.scope.get("subprotocols", ()), rules.protocols)
    await send({"type": "websocket.accept", "subprotocol": protocol})
    async with open_task_group() as tasks:
        socket = _Socket(routes, known, send, tasks)
        if rules.send_timeout_s is not None:
            tasks.start_soon(socket.watch, rules.send_timeout_s)
        try:
            with anyio.fail_after(rules.first_frame_s):
                message = await receive()
            while message["type"] == "websocket.receive":
                socket.take(message.get("text") or message.get("bytes") or b"")
                message = await receive()
        except TimeoutError:
            await _close(send, POLICY_VIOLATION, "nothing was asked")
        except _FrameTooLong as error:
            await _close(send, TOO_LONG, str(error))
        except RemoteProtocolError as error:
            await _close(send, POLICY_VIOLATION, str(error))
        socket.left()
        tasks.cancel_scope.cancel()


async def _close(send: Send, code: int, why: str) -> None:
    reason = why.encode()[:120].decode(errors="ignore")  # a close frame has room for 123 bytes
    await send({"type": "websocket.close", "code": code, "reason": reason})


class _FrameTooLong(RemoteProtocolError):
    """It was not even read."""


class _Socket:
    def __init__(
        self, routes: ChatRoutes, request: IncomingRequest, send: Send, tasks: TaskGroup
    ) -> None:
        self._routes = routes
        self._request = request
        self._send = send
        self._tasks = tasks
        self._rules = routes.settings.websocket
        self._serving: dict[str, _Serving] = {}
        self._begun = self._sent = 0

    def take(self, data: str | bytes) -> None:
        """Act on one frame.

        Raises:
            RemoteProtocolError: If it is none, and names no request that could be told so.
        """
        limits = self._routes.settings.limits
        if limits.body_bytes is not None and _size(data) > limits.body_bytes:
            raise _FrameTooLong(f"frame is longer than {limits.body_bytes} bytes")
        try:
            value = loads(data)
        except ValueError as error:
            raise RemoteProtocolError(f"frame is not JSON; {error}") from error
        try:
            frame = parse_client_frame(value)
            if isinstance(frame, SendFrame):
                check_limits(value, limits)
        except RemoteProtocolError as error:
            name = value.get("requestId") if isinstance(value, dict) else None
            if not isinstance(name, str):
                raise
            said = f"{error} {error.__cause__ or ''}".rstrip()
            self._tasks.start_soon(self._tell, server_frame("error", name, error_text=said))
            return
        if isinstance(frame, AbortFrame):
            self._abort(frame, leaves=bool(value.get("leave")))
        elif frame.request_id not in self._serving:
            allowed = self._rules.requests
            if allowed is not None and len(self._serving) >= allowed:
                said = f"{allowed} requests are under way on this socket; no more are allowed"
                refused = server_frame("error", frame.request_id, error_text=said)
                self._tasks.start_soon(self._tell, refused)
                return
            serving = self._serving[frame.request_id] = _Serving()
            self._tasks.start_soon(self._serve, frame, serving)

    async def watch(self, timeout_s: float) -> None:
        """Drop a client that takes nothing for so long. A scope for each frame would cost 25 us."""
        waited, sent = 0, 0
        while waited < LOOKS:
            await anyio.sleep(timeout_s / LOOKS)
            waited = waited + 1 if self._begun > self._sent == sent else 0
            sent = self._sent
        self.drop()

    def drop(self) -> None:
        """The client left, or does not read; the receive loop is told as well."""
        self.left()
        self._tasks.cancel_scope.cancel()

    def left(self) -> None:
        """The socket is closed: end what shall not outlive its client."""
        if self._routes.settings.on_disconnect == "stop":
            for serving in self._serving.values():
                if serving.started is not None:
                    serving.started.stop("the client left")

    def _abort(self, frame: AbortFrame, *, leaves: bool) -> None:
        serving = self._serving.get(frame.request_id)
        if serving is None:
            return
        if leaves or serving.run_id is None:
            serving.scope.cancel()
        else:
            self._tasks.start_soon(self._routes.stop_run, serving.chat_id, serving.run_id)

    async def _serve(self, frame: SendFrame | ResumeFrame, serving: _Serving) -> None:
        try:
            with serving.scope:
                await self._answer(frame, serving)
        except HttpError as error:
            await self._tell(server_frame("error", frame.request_id, error_text=error.text))
        except ChatTransportError as error:
            await self._tell(server_frame("error", frame.request_id, error_text=str(error)))
        finally:
            self._serving.pop(frame.request_id, None)

    async def _answer(self, frame: SendFrame | ResumeFrame, serving: _Serving) -> None:
        serving.chat_id = frame.chat_id
        user = await self._routes.authenticate(self._with_headers(frame))
        await self._routes.authorize(user, frame.chat_id)
        if isinstance(frame, SendFrame):
            wish = ChatRequest(
                chat_id=frame.chat_id,
                messages=frame.messages,
                trigger=frame.trigger,
                message_id=frame.message_id,
                extra=frame.body,
            )
            begun = await self._routes.begin_once(wish, user, _header(frame, KEY_HEADER))
            if isinstance(begun, ActiveRun):
                serving.run_id, serving.started = begun.run.run_id, begun
                await self._stream(frame, logged(begun, owner=user.id), begun.log)
                return
            run: LoggedRun | None = begun
        else:
            run = await self._routes.find_for(
                user,
                frame.chat_id,
                run_id=_header(frame, RUN_HEADER),
                request_key=_header(frame, KEY_HEADER),
            )
        log = None if run is None else await self._routes.follow(run)
        if run is None or log is None:
            counts = _cursor(frame) == "place"
            await self._tell(server_frame("no-active", frame.request_id, counts=counts))
            return
        serving.run_id = run.run_id
        if isinstance(frame, ResumeFrame) and _cursor(frame) != "place":
            await self._tell(server_frame("start", frame.request_id))
        await self._stream(frame, run, log)

    def _with_headers(self, frame: ClientFrame) -> IncomingRequest:
        """Browsers cannot set a socket's headers, so a frame brings its own."""
        assert not isinstance(frame, AbortFrame)
        named = {name.lower(): value for name, value in frame.headers.items()}
        return self._request.with_headers(named)

    async def _stream(self, frame: SendFrame | ResumeFrame, run: LoggedRun, log: ChunkLog) -> None:
        """Send chunks and `end`."""
        if _cursor(frame) == "place":
            await self._stream_placed(frame, run, log)
        else:
            await self._stream_numbered(frame, run, log)
        await self._tell(server_frame("end", frame.request_id))

    async def _stream_placed(
        self, frame: SendFrame | ResumeFrame, run: LoggedRun, log: ChunkLog
    ) -> None:
        """Name the run, and the place behind a chunk unless it is one more than before: to ours."""
        said = _header(frame, "last-event-id")
        place = None if said is None else parse_place(said)
        has_before = isinstance(frame, SendFrame) or _header(frame, KEY_HEADER) is not None
        await self._tell(server_frame("start", frame.request_id, run_id=run.run_id))
        numbers = count()
        known = said
        try:
            before = None if has_before else run.begins_with
            async with aclosing(placed_chunks(log, place=place, before=before)) as pieces:
                async for piece in pieces:
                    for chunk, behind in piece:
                        if type(chunk) is OpaqueChunk:  # no client knows it
                            continue
                        name = None if behind == next_place(known) else behind
                        known = behind
                        await self._tell(
                            server_chunk(frame.request_id, next(numbers), chunk, place=name)
                        )
        except StreamInterrupted:
            await self._routes.keep_orphan(run, log)
            ending = Error(error_text=INTERRUPTED_TEXT)
            await self._tell(server_chunk(frame.request_id, next(numbers), ending))

    async def _stream_numbered(
        self, frame: SendFrame | ResumeFrame, run: LoggedRun, log: ChunkLog
    ) -> None:
        """Number the chunks.

        What a client may later name as `lastSequence` is numbered as it was said: the answer to
        `send`, and a resume that asks for it by the header `x-chat-cursor: reply`, which numbers
        the whole reply with what it had before the run. Any other resume joins deltas, so its
        numbers are good for nothing but their order.
        """
        last, before, exact = -1, run.begins_with, False
        if isinstance(frame, SendFrame):
            before, exact = None, True
        elif frame.last_sequence is not None or _cursor(frame) == "reply":
            exact = True
            last = -1 if frame.last_sequence is None else frame.last_sequence
            before = before if _cursor(frame) == "reply" else None
        numbered = _Numbered(frame.request_id, last)
        for chunk in () if before is None else retold(before):
            await self._tell_all(numbered.frames((chunk,)))
        # What is retold says `start` itself.
        stream = log.stream(0 if before is None else 1, snapshot=not exact)
        try:
            while chunks := await stream.drain():
                await self._tell_all(numbered.frames(chunks))
        except StreamInterrupted:
            await self._routes.keep_orphan(run, log)
            await self._tell_all(numbered.frames((Error(error_text=INTERRUPTED_TEXT),)))

    async def _tell_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            await self._tell(text)

    async def _tell(self, text: str) -> None:
        self._begun += 1
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError:
            self.drop()
        self._sent += 1


def _size(data: str | bytes) -> int:
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


class _Numbered:
    """Chunks of one answer as frames, numbered from 0; those up to `last` are left out."""

    def __init__(self, request_id: str, last: int) -> None:
        self._request_id = request_id
        self._last = last
        self._next = 0

    def frames(self, chunks: Iterable[UIMessageChunk]) -> Iterator[str]:
        for chunk in chunks:
            if type(chunk) is OpaqueChunk:  # no client knows it
                continue
            sequence, self._next = self._next, self._next + 1
            if sequence > self._last:
                yield server_chunk(self._request_id, sequence, chunk)


def _header(frame: SendFrame | ResumeFrame, name: str) -> str | None:
    named = {each.lower(): value for each, value in frame.headers.items()}
    return named.get(name)


def _cursor(frame: SendFrame | ResumeFrame) -> str | None:
    """How the reply is counted: `place` (our client), `reply`, or by run."""
    return _header(frame, CURSOR_HEADER)


class _Serving:
    """One request under way."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.chat_id = ""
        self.run_id: str | None = None
        self.started: ActiveRun | None = None
