"""Which wire is spoken: the argument `wire=` of both ends, an object or a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ...errors import LocalProtocolError
from .ai_transport import AiTransportWire
from .turns import WIRES
from .wire import Wire

__all__ = ["WIRE_NAMES", "wire_of"]

_ALL: Final[Mapping[str, Callable[[], Wire]]] = {"ai-transport": AiTransportWire, **WIRES}
WIRE_NAMES: Final = tuple(_ALL)
"""The names that `wire=` takes."""


def wire_of(wire: Wire | str | None) -> Wire:
    """Give the wire that is meant; None is that of @ably/ai-transport.

    Raises:
        LocalProtocolError: If there is no wire of that name.
    """
    if wire is None:
        return AiTransportWire()
    if not isinstance(wire, str):
        return wire
    make = _ALL.get(wire)
    if make is None:
        raise LocalProtocolError(f"unable to speak wire {wire!r}; it is one of {WIRE_NAMES}")
    return make()
