"""The table of REST resources, and how a call finds its own.

Rule: every refusal leaves as `{"error": …}` with the X-Ably-Error headers, whatever the resource.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest import admin, apps, batch, channels, tokens
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
    ("POST", "messages"): batch.batch_publish,
    ("GET", "presence"): batch.batch_presence,
    ("GET", "admin/faults"): admin.get_faults,
    ("PUT", "admin/faults"): admin.set_faults,
    ("DELETE", "admin/faults"): admin.clear_faults,
    ("POST", "admin/faults/*"): admin.act,
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
    ("GET", "channels/*/messages/*/annotations"): channels.get_annotations,
    ("POST", "channels/*/messages/*/annotations"): channels.annotate_message,
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


NAMED = {"apps": (1,), "keys": (1,), "channels": (1, 3), "admin": (2,)}
"""Where names stand in a path, by its first segment."""


def _find(call: Call) -> Resource | None:
    """Give the resource of a path: names become `*`, all else is taken as it is."""
    parts = list(call.segments)
    for index in NAMED.get(parts[0], ()):
        is_name = len(parts) > index and not (index == 3 and parts[2] == "presence")
        if is_name:
            parts[index] = "*"
    return ROUTES.get((call.method, "/".join(parts)))


def answer(call: Call) -> Reply:
    """Give the reply to a call. Never raises for what a caller can cause."""
    if call.broker.faults.settings.unavailable and call.segments[0] != "admin":
        return refusal_reply(Refusal(50003, 503, "service unavailable; a fault switch is on"))
    resource = _find(call)
    if resource is None:
        path = "/".join(call.segments)
        return refusal_reply(Refusal(40400, 404, f"Could not find path: {call.method} /{path}"))
    try:
        return resource(call)
    except Refusal as refusal:
        return refusal_reply(refusal)
