"""Keeps quiet and discreet what the SDK says too loudly.

Rule: nothing here changes what happens; remove each piece when the SDK behaves.
Source: ably 3.1.4.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

__all__ = ["forget_late_news", "hide_secrets", "hush"]


def hush(error: Exception) -> None:
    """Read the future that a raising send leaves behind, or asyncio reports it as never read.

    3.1.4 keeps the frame as pending when the socket is dead, and fails its future later; only the
    traceback still knows it. Remove when the SDK awaits that future itself.
    """
    trace = error.__traceback__
    while trace is not None:
        pending = trace.tb_frame.f_locals.get("pending_message")
        future = getattr(pending, "future", None)
        if isinstance(future, asyncio.Future):
            future.add_done_callback(_read)
        trace = trace.tb_next


def _read(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def hide_secrets() -> None:
    """Mask tokens and keys in the SDK's log: it writes its address with them in it."""
    logger = logging.getLogger("ably.transport.websockettransport")
    if not any(isinstance(known, _HideSecrets) for known in logger.filters):
        logger.addFilter(_HideSecrets())


def forget_late_news() -> None:
    """Leave out of the SDK's log that a state change found its waiter gone.

    Whoever gives up waiting for an attach or a detach (a deadline, a block that is left) cancels a
    future that 3.1.4 still sets at the next change; it logs that as an error with a traceback.
    Remove when `EventEmitter.once_async` removes its listener.
    """
    logger = logging.getLogger("ably.util.eventemitter")
    if not any(isinstance(known, _ForgetLateNews) for known in logger.filters):
        logger.addFilter(_ForgetLateNews())


class _ForgetLateNews(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or record.exc_info[0] is not asyncio.InvalidStateError


class _HideSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"((?:key|access_?[tT]oken)=)[^&\s]+", r"\1***", str(record.msg))
        return True
