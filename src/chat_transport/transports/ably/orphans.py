"""Closes a run that nobody serves any more, so that no reader waits for ever.

Rule: closing twice does no harm; what cannot be closed is logged, and the agent goes on.
"""

from __future__ import annotations

import logging

from ...codecs.ably.operations import OutboundMessage, Publish
from ...errors import TransportError
from .sending import Outlet, surely
from .wire import Orphan

__all__ = ["close_orphan"]

log = logging.getLogger(__name__)


async def close_orphan(outlet: Outlet, orphan: Orphan) -> None:
    """Close the open messages of the run, then end it."""
    try:
        for serial, message in orphan.appends:
            await _append(outlet, serial, message)
        for index, publish in enumerate(orphan.publish):
            await _publish(outlet, publish, f"{orphan.ref.run_id}-closed-{index}")
    except TransportError as error:
        log.error("run %s could not be closed: %s", orphan.ref.run_id, error)  # noqa: TRY400  # its own words


async def _append(outlet: Outlet, serial: str, message: OutboundMessage) -> None:
    await surely(outlet.connection, lambda: outlet.change("append", message, serial))


async def _publish(outlet: Outlet, publish: Publish, ident: str) -> None:
    await surely(outlet.connection, lambda: outlet.publish(publish.messages, ident))
