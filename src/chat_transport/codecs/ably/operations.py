"""The port between Ably codecs and the shell that does the I/O.

Rule: encoders give operations, decoders read `Inbound`; neither knows a channel or a connection.
Serials come from the broker: an operation on a message names it by the `key` that its Publish gave,
and the shell resolves keys to serials. They are msgspec structs: one is made for each token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["Action", "Append", "Inbound", "Operation", "OutboundMessage", "Publish", "Update"]

JSON: TypeAlias = Any  # any JSON value
Action: TypeAlias = Literal["create", "update", "delete", "append", "summary", "meta"]


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message to publish; `data` is str, dict, list, bytes or None (absent)."""

    name: str
    data: JSON = None
    extras: Mapping[str, JSON] | None = None


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Publish messages in one frame.

    Attributes:
        messages: One or more.
        key: How later operations (and the encoder's `acknowledged`) name the first message;
            None if nothing will refer to it.
        await_serial: The encoder cannot go on before it is told the serial.
    """

    messages: tuple[OutboundMessage, ...]
    key: str | None = None
    await_serial: bool = False


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """Add `data` to the text of the message published as `key`. Extras are replaced whole."""

    key: str
    data: str
    extras: Mapping[str, JSON] | None = None
    metadata: Mapping[str, str] | None = None
    """`version.metadata` of the operation."""


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the message published as `key`."""

    key: str
    data: JSON = None
    name: str | None = None
    extras: Mapping[str, JSON] | None = None
    metadata: Mapping[str, str] | None = None


Operation: TypeAlias = Publish | Append | Update


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the channel or its history delivered it.

    Attributes:
        serial: The message's place in the channel's total order; constant for its life.
        version: The version's serial; equals `serial` for a create.
    """

    action: Action
    serial: str
    version: str
    name: str | None = None
    data: JSON = None
    extras: Mapping[str, JSON] | None = None
    client_id: str | None = None
    timestamp: int | None = None
    version_metadata: Mapping[str, str] | None = None
    id: str | None = None

    @property
    def user_claim(self) -> str | None:
        """The role that the token server vouched for; None without one."""
        claim = self.extras.get("userClaim") if self.extras else None
        return claim if isinstance(claim, str) else None
