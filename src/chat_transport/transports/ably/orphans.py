"""Closes a run that nobody serves, or never did, so that no reader waits for ever.

Rule: closing twice does no harm; what cannot be closed is logged, and the agent goes on.
"""

from __future__ import annotations

import logging
import uuid

from ...agent.runtime import MASKED_ERROR_TEXT
from ...codecs.ably.operations import Inbound, OutboundMessage, Publish
from ...errors import ChatTransportError, RequestRejected, TransportError
from .sending import Outlet, surely
from .wire import AgentWire, Orphan, RunRef, Speaker
from .wire_abilities import RefusingAgent

__all__ = ["close_orphan", "decline", "refusal_of"]

log = logging.getLogger(__name__)


async def close_orphan(outlet: Outlet, orphan: Orphan) -> None:
    """Close the open messages of the run, then end it."""
    try:
        for serial, message in orphan.appends:
            try:
                await _append(outlet, serial, message)
            except RequestRejected as error:  # somebody else's: the end of the run closes it too
                log.warning("message %s could not be closed: %s", serial, error)
        for index, publish in enumerate(orphan.publish):
            await _publish(outlet, publish, f"{orphan.ref.run_id}-closed-{index}")
    except TransportError as error:
        log.error("run %s could not be closed: %s", orphan.ref.run_id, error)  # noqa: TRY400  # its own words


def refusal_of(wire: AgentWire, message: Inbound) -> Orphan | None:
    """Give what tells who asked that a message is not believed, where the wire has words for it."""
    said = wire.refusal(message) if isinstance(wire, RefusingAgent) else None
    if said is None:
        return None
    ref = RunRef(run_id=f"refused-{message.serial}", input_id=None)
    return Orphan(ref=ref, appends=(), publish=(said,))


async def decline(outlet: Outlet, speaker: Speaker) -> None:
    """End a run that could not be begun: readers hear that it failed, not why."""
    try:
        ending = [*speaker.start(), *speaker.end("error", message=MASKED_ERROR_TEXT)]
        for operation in ending:
            if isinstance(operation, Publish):
                await _publish(outlet, operation, uuid.uuid4().hex)
    except ChatTransportError as error:
        log.error("readers on %s could not be told: %s", outlet.name, error)  # noqa: TRY400  # its own words


async def _append(outlet: Outlet, serial: str, message: OutboundMessage) -> None:
    await surely(outlet.connection, lambda: outlet.change("append", message, serial))


async def _publish(outlet: Outlet, publish: Publish, ident: str) -> None:
    await surely(outlet.connection, lambda: outlet.publish(publish.messages, ident))
