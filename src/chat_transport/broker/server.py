"""The broker as an ASGI application: the only file that knows sockets and requests.

Rule: it moves bytes and runs timers; every decision is made in `Broker`, which never waits.
Source: ASGI 3 specification, websocket and http; uvicorn 0.54.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import anyio

from chat_transport.broker.broker import Broker
from chat_transport.broker.inspection import Traffic, inspection_reply
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import MSGPACK, Call, Reply
from chat_transport.broker.rest.routes import answer, refusal_reply
from chat_transport.broker.session import Session

__all__ = ["BrokerApp", "create_app"]

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a request body; a publish is at most 64 KiB of it."""
EXPOSED = "Link, Content-Length, X-Ably-Errorcode, X-Ably-Errormessage, X-Ably-Version"


def create_app(broker: Broker, *, inspect: bool = False) -> BrokerApp:
    """Give the ASGI application of a broker; its lifespan must run, for it holds the timers.

    Args:
        broker: What is served.
        inspect: Whether `/inspect` shows its channels and traffic, to anyone who can connect.
    """
    return BrokerApp(broker, Traffic() if inspect else None)


class BrokerApp:
    """ASGI application: `GET /` upgraded is realtime, everything else REST."""

    def __init__(self, broker: Broker, traffic: Traffic | None = None) -> None:
        self.broker = broker
        self._traffic = broker.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one lifespan, socket or request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        else:
            await self._serve_request(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            await receive()
            tasks.start_soon(self._run_timers)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            tasks.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _run_timers(self) -> None:
        timers = self.broker.timers
        while True:
            sooner = anyio.Event()
            timers.on_sooner = sooner.set
            timers.run_due()
            due = timers.next_due_ms()
            delay = 3600.0 if due is None else max(0.0, (due - timers.now_ms()) / 1000)
            with anyio.move_on_after(delay):
                await sooner.wait()

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        faults = self.broker.faults.settings
        if faults.refuse_connects or faults.unavailable:
            faults.refuse_connects = max(0, faults.refuse_connects - 1)
            await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        ready = anyio.Event()

        def wake() -> None:
            ready.set()

        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        authorization = _headers(scope).get("authorization")
        session = self.broker.open_session(query, authorization, on_ready=wake)

        async def read(scope: anyio.CancelScope) -> None:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    scope.cancel()
                    return
                text = event.get("text")
                session.receive(event["bytes"] if text is None else text)

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read, tasks.cancel_scope)
                while await _flush(session, send):
                    await ready.wait()
                    ready = anyio.Event()
                tasks.cancel_scope.cancel()
        finally:
            session.lost()

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        if scope["method"] == "OPTIONS":
            await _reply(send, Reply(204), headers, binary=False)
            return
        body = bytearray()
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False) and len(body) <= MAX_BODY
        raw_path = scope.get("raw_path") or scope["path"].encode()
        call = Call(
            self.broker,
            scope["method"],
            raw_path.decode("latin-1"),
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            headers=headers,
            body=bytes(body),
        )
        if len(body) > MAX_BODY:
            reply = refusal_reply(Refusal(40009, 413, f"request body above {MAX_BODY} bytes"))
        elif self._traffic is not None and call.segments[0] == "inspect":
            reply = inspection_reply(call, self._traffic)
            await _reply(send, reply, {}, binary=False, is_open=False)
            return
        else:
            reply = answer(call)
        await _reply(send, reply, headers, binary=call.wants_binary)


async def _flush(session: Session, send: Send) -> bool:
    """Send what waits; False when the socket is to end, or has ended."""
    outbox = session.outbox
    try:
        while payloads := outbox.take():
            for payload in payloads:
                key = "text" if isinstance(payload, str) else "bytes"
                await send({"type": "websocket.send", key: payload})
        if outbox.close_code is None:
            return True
        await send({"type": "websocket.close", "code": outbox.close_code})
    except OSError:  # ASGI 2.4: how a server says that the peer has gone
        pass
    return False


async def _reply(
    send: Send, reply: Reply, asked: dict[str, str], *, binary: bool, is_open: bool = True
) -> None:
    body = reply.body(binary=binary)
    kind = reply.content_type or (MSGPACK if binary else "application/json")
    headers = {
        "content-type": kind,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-ably-version": "2",
        **(_cors(asked) if is_open else {}),
        **reply.headers,
    }
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _cors(asked: dict[str, str]) -> dict[str, str]:
    """Let pages of any origin in, as the cloud does; ably-js sends credentials: no `*` then."""
    return {
        "access-control-allow-origin": asked.get("origin", "*"),
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": asked.get("access-control-request-headers", "*"),
        "access-control-expose-headers": EXPOSED,
        "access-control-max-age": "86400",
        "vary": "Origin",
    }


def _headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
