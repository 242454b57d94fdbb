"""REST resources of the fault switches: what tests in other languages turn on and off.

Rule: only a key itself, with every right on every channel, may turn switches; a token may not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat_transport.broker.faults import FaultSettings, Rejection
from chat_transport.broker.refusal import Refusal
from chat_transport.broker.rest.call import Call, Reply

__all__ = ["act", "clear_faults", "get_faults", "set_faults"]


class Act(msgspec.Struct, rename="camel"):
    """What a single act is about."""

    connection_id: str | None = None


def _authorize(call: Call) -> None:
    identity = call.identity()
    if identity.is_token or not identity.capability.allows("*", "*"):
        raise Refusal(40160, 401, "fault switches need a key with every right")


def _state(call: Call) -> Reply:
    faults = call.broker.faults
    return Reply(200, {"settings": faults.settings, "rejections": faults.rejections})


def get_faults(call: Call) -> Reply:
    """GET /admin/faults."""
    _authorize(call)
    return _state(call)


def set_faults(call: Call) -> Reply:
    """PUT /admin/faults: all switches at once; what is not named is off."""
    _authorize(call)
    call.broker.faults.update(call.read(FaultSettings))
    return _state(call)


def clear_faults(call: Call) -> Reply:
    """DELETE /admin/faults."""
    _authorize(call)
    call.broker.faults.clear()
    return _state(call)


def act(call: Call) -> Reply:
    """POST /admin/faults/{drop,forget,expire,reject}."""
    _authorize(call)
    faults, name = call.broker.faults, call.segments[2]
    value: dict[str, Any]
    if name == "reject":
        faults.rejections.append(call.read(Rejection))
        return _state(call)
    if name == "drop":
        value = {"dropped": faults.drop_sockets(call.read(Act).connection_id)}
    elif name == "forget":
        value = {"forgotten": faults.forget_connections()}
    elif name == "expire":
        value = {"expired": faults.expire_tokens()}
    else:
        raise Refusal(40400, 404, f"no such fault: {name!r}; drop, forget, expire or reject")
    return Reply(200, value)
