"""The table of REST resources, and how a call finds its own.

Rule: every refusal leaves as `{"error": …}` with the X-Ably-Error headers, whatever the resource.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest import apps, channels, tokens
from chat_transport.broker.rest.call import Call, Reply

__all__ = ["ROUTES", "answer", "refusal_reply"]

Resource: TypeAlias = Callable[[Call], Reply]


def get_time(call: Call) -> Reply:
    """GET /time."""
    return Reply(200, [call.broker.now_ms()])


def get_stats(call: Call) -> Reply:
    """GET /stats: this broker counts nothing."""
    call.identity().capability.require("*", "stats")
    return Reply(200, [])


def post_stats(call: Call) -> Reply:
    """POST /stats: taken and forgotten; the suites' set-up sends it."""
    call.identity()
    return Reply(201, [])


ROUTES: dict[tuple[str, str], Resource] = {
    ("GET", "time"): get_time,
    ("GET", "stats"): get_stats,
    ("POST", "stats"): post_stats,
    ("POST", "apps"): apps.create_app,
    ("DELETE", "apps/*"): apps.delete_app,
    ("POST", "keys/*/requestToken"): tokens.request_token,
    ("GET", "channels/*"): channels.get_status,
    ("GET", "channels/*/messages"): channels.get_history,
    ("GET", "channels/*/history"): channels.get_history,
    ("POST", "channels/*/messages"): channels.publish_messages,
    ("GET", "channels/*/messages/*"): channels.get_message,
    ("PATCH", "channels/*/messages/*"): channels.change_message,
    ("GET", "channels/*/messages/*/versions"): channels.get_versions,
    ("GET", "channels/*/presence"): channels.get_presence,
    ("GET", "channels/*/presence/history"): channels.get_presence_history,
}


def refusal_reply(refusal: Refusal) -> Reply:
    """Give the reply that says no."""
    message = str(refusal).encode("ascii", "replace").decode().replace("\n", " ")
    return Reply(
        refusal.status,
        {"error": refusal.words},
        {"x-ably-errorcode": str(refusal.code), "x-ably-errormessage": message},
    )


def _find(call: Call) -> Resource | None:
    """Names stand at odd places in every path: one pattern per shape."""
    shape = "/".join(
        "*"
        if index % 2 and index < 4 and call.segments[0] in ("apps", "keys", "channels")
        else part
        for index, part in enumerate(call.segments)
    )
    if len(call.segments) == 4 and call.segments[2] == "presence":
        shape = "channels/*/presence/history" if call.segments[3] == "history" else shape
    return ROUTES.get((call.method, shape))


def answer(call: Call) -> Reply:
    """Give the reply to a call. Never raises for what a caller can cause."""
    try:
        if call.broker.faults.settings.unavailable:
            raise Refusal(50003, 503, "service unavailable; a fault switch is on")
        resource = _find(call)
        if resource is None:
            path = "/".join(call.segments)
            raise Refusal(40400, 404, f"Could not find path: {call.method} /{path}")
        return resource(call)
    except Refusal as refusal:
        return refusal_reply(refusal)
