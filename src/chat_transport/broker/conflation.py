"""Conflation: live appends of one message that reach a subscriber as one. No I/O here.

Rule: order and content stay; only the number of deliveries shrinks, as a loaded cloud may do.
Source: Ably docs, message appends: a server may conflate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chat_transport.broker.faults import Faults
from chat_transport.broker.log import Entry

__all__ = ["Conflation"]

CONFLATION_MS = 50
"""How long an append waits for others at most."""


class Conflation:
    """Joins live appends of one message into one delivery: a fault that the cloud may also show."""

    def __init__(
        self,
        faults: Faults,
        after: Callable[[int, Callable[[], None]], object],
        send: Callable[[Entry, list[Any], str], None],
    ) -> None:
        self.entries: list[Entry] = []
        self._faults = faults
        self._after = after
        self._send = send

    def takes(self, entry: Entry) -> bool:
        """Say whether an entry can be joined with those that wait."""
        return (
            entry.is_append
            and entry.record is self.entries[0].record
            and type(entry.items[0].data) is type(self.entries[0].items[0].data)
        )

    def add(self, entry: Entry) -> None:
        """Keep an append; the last of a group, or the end of the wait, sends them as one."""
        self.entries.append(entry)
        if len(self.entries) >= self._faults.settings.conflate:
            self.flush()
        elif len(self.entries) == 1:
            self._after(CONFLATION_MS, self.flush)

    def flush(self) -> None:
        """Send what waits."""
        entries, self.entries = self.entries, []
        if not entries:
            return
        last = entries[-1]
        pieces = [entry.items[0].data for entry in entries if entry.items[0].data is not None]
        data = (b"" if isinstance(pieces[0], bytes) else "").join(pieces) if pieces else None
        item = msgspec.structs.replace(last.items[0], data=data)
        self._send(last, [item], f"joined {len(entries)}")
