"""Reordering: live messages of two publishers that a subscriber gets in the other order. No I/O.

Rule: each publisher's own messages keep their order; the log and its serials keep the truth.
Source: Ably docs, message ordering: order is kept for each publisher; serials give the total order.
"""

from __future__ import annotations

from collections.abc import Callable

from chat_transport.broker.faults import Faults
from chat_transport.broker.frames import Action
from chat_transport.broker.log import Entry

__all__ = ["Reordering"]

REORDERING_MS = 50
"""How long a message waits to be overtaken at most."""


class Reordering:
    """Lets a message be overtaken by the next one of another publisher."""

    def __init__(
        self,
        faults: Faults,
        after: Callable[[int, Callable[[], None]], object],
        deliver: Callable[[Entry], None],
    ) -> None:
        self._faults = faults
        self._after = after
        self._deliver = deliver
        self._held: Entry | None = None
        self._seen = 0

    def take(self, entry: Entry) -> None:
        """Deliver an entry now, or keep it until somebody else's has come."""
        held = self._held
        if held is not None and held.connection_id != entry.connection_id:
            self._deliver(entry)
            self.flush()
            return
        self.flush()
        if not self._is_due(entry):
            self._deliver(entry)
            return
        self._held = entry
        self._after(REORDERING_MS, lambda: self._flush_if_held(entry))

    def flush(self) -> None:
        """Deliver what waits."""
        held, self._held = self._held, None
        if held is not None:
            self._deliver(held)

    def _flush_if_held(self, entry: Entry) -> None:
        if self._held is entry:
            self.flush()

    def _is_due(self, entry: Entry) -> bool:
        every = self._faults.settings.swaps
        if not every or entry.kind != Action.MESSAGE:
            return False
        self._seen += 1
        return self._seen % every == 0
