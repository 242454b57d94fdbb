"""Inspection: what a developer may see of a broker, apps to members, and the frames that pass.

Rule: it shows and never changes; no secret, token or connection key ever appears.
It is off unless asked for, is meant for loopback, and sends no CORS headers, so that no other page
in the developer's browser can read it.
"""

from __future__ import annotations

import re
from collections import deque
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

from chat_transport.broker.frames import Action, decode_frame, to_json_form
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import Call, Reply
from chat_transport.broker.rest.routes import refusal_reply

if TYPE_CHECKING:
    from chat_transport.broker.broker import Broker

__all__ = ["Traffic", "inspection_reply"]

KEPT_FRAMES = 1000
PREVIEW = 2000
"""Characters of a frame that are kept."""
LOCAL = re.compile(r"(localhost|[\d.]+|\[[\da-fA-F:]+\])(:\d+)?")
"""Hosts that a page of another origin cannot be made to resolve to (DNS rebinding)."""
SECRETS = re.compile(r'("(?:accessToken|connectionKey|resume|recover)":")[^"]*')


class Traffic:
    """The newest frames of all sockets, in the order in which they passed."""

    def __init__(self) -> None:
        self._frames: deque[dict[str, Any]] = deque(maxlen=KEPT_FRAMES)
        self._count = 0

    def note(self, now_ms: int, connection_id: str, payload: str | bytes, *, is_out: bool) -> None:
        """Keep a frame; what is too long is cut, what is secret blotted out."""
        if isinstance(payload, bytes):
            try:
                payload = msgspec.json.encode(msgspec.msgpack.decode(payload)).decode()
            except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
                payload = repr(payload[:PREVIEW])
        try:
            frame = decode_frame(payload)
            action, channel = Action(frame.action).name, frame.channel
        except (Refusal, ValueError):
            action, channel = "?", None
        self._count += 1
        self._frames.append(
            {
                "n": self._count,
                "at": now_ms,
                "connection": connection_id,
                "out": is_out,
                "action": action,
                "channel": channel,
                "size": len(payload),
                "text": SECRETS.sub(r"\1…", payload)[:PREVIEW],
            }
        )

    def after(self, number: int) -> list[dict[str, Any]]:
        """Give the frames that came after a number."""
        return [frame for frame in self._frames if frame["n"] > number]


def _overview(broker: Broker) -> dict[str, Any]:
    apps: list[dict[str, Any]] = []
    for app in broker.apps.values():
        channels = [
            {
                "name": channel.name,
                "messages": len(channel.log.records),
                "bytes": channel.log.record_bytes,
                "subscribers": len(channel.subscribers),
                "members": len(channel.members),
                "mutable": channel.namespace.mutable_messages,
                "head": channel.log.head,
            }
            for channel in app.channels.values()
        ]
        connections = [
            {
                "id": connection.id,
                "clientId": connection.identity.client_id,
                "online": connection.session is not None,
                "channels": list(connection.session.attachments) if connection.session else [],
            }
            for connection in broker.connections.values()
            if connection.app is app
        ]
        apps.append({"id": app.id, "channels": channels, "connections": connections})
    return {"apps": apps, "now": broker.now_ms()}


def _channel(broker: Broker, app_id: str, name: str) -> dict[str, Any]:
    app = broker.apps.get(app_id)
    channel = app.channels.get(name) if app else None
    if channel is None:
        raise Refusal(40400, 404, f"no channel {name!r} in app {app_id!r}")
    messages = [
        [to_json_form(version) for version in record.versions()]
        for record in channel.log.newest(100)
    ]
    members = [to_json_form(member) for member in channel.members.present()]
    return {"messages": messages, "members": members}


def inspection_reply(call: Call, traffic: Traffic) -> Reply:
    """Give the reply to a call under `/inspect`; never raises for what a caller can cause."""
    try:
        return _shown(call, traffic)
    except Refusal as refusal:
        return refusal_reply(refusal)


def _shown(call: Call, traffic: Traffic) -> Reply:
    """Answer `/inspect`: the page, `/state`, `/channel?app=&name=`, `/traffic?after=`."""
    if not LOCAL.fullmatch(call.headers.get("host", "localhost")):
        raise Refusal(40300, 403, "inspection answers to localhost and addresses, not to names")
    if call.method != "GET":
        raise Refusal(40500, 405, "inspection only shows")
    what = call.segments[1] if len(call.segments) == 2 else ""
    if len(call.segments) == 1:
        page = files("chat_transport.broker").joinpath("inspection.html").read_text("utf-8")
        return Reply(200, page, content_type="text/html; charset=utf-8")
    if what == "state":
        return Reply(200, _overview(call.broker))
    if what == "channel":
        return Reply(
            200, _channel(call.broker, call.query.get("app", ""), call.query.get("name", ""))
        )
    if what == "traffic":
        return Reply(200, traffic.after(call.number("after") or 0))
    raise Refusal(40400, 404, f"nothing to inspect at {'/'.join(call.segments)!r}")
