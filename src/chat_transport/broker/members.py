"""The presence set of one channel: who is there, by (connectionId, clientId). Pure.

Source: features spec RTP2, RTP17; Ably docs, presence.
"""

from __future__ import annotations

import msgspec

from chat_transport.broker.frames import Presence, PresenceAction
from chat_transport.broker.refusal import Refusal

__all__ = ["MemberKey", "Members"]

MemberKey = tuple[str, str]


class Members:
    """The members that are present."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._members: dict[MemberKey, Presence] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def get(self, key: MemberKey) -> Presence | None:
        """Give one member."""
        return self._members.get(key)

    def of(self, connection_id: str) -> list[MemberKey]:
        """Give the keys of a connection's members."""
        return [key for key in self._members if key[0] == connection_id]

    def apply(self, event: Presence) -> bool:
        """Take an event; False if it changes nothing (an unknown member leaves).

        Raises:
            Refusal: If the channel is full (91003).
        """
        assert event.connection_id is not None
        assert event.client_id is not None
        key = (event.connection_id, event.client_id)
        if event.action == PresenceAction.LEAVE:
            return self._members.pop(key, None) is not None
        if key not in self._members and len(self._members) >= self._limit:
            raise Refusal(91003, 400, f"maximum number of members ({self._limit}) reached")
        self._members[key] = event
        return True

    def present(
        self, *, client_id: str | None = None, connection_id: str | None = None
    ) -> list[Presence]:
        """Give the members as `present`, in the order in which they came."""
        return [
            msgspec.structs.replace(member, action=PresenceAction.PRESENT)
            for key, member in self._members.items()
            if connection_id in (None, key[0]) and client_id in (None, key[1])
        ]
