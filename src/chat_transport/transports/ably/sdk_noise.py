"""Keeps quiet and discreet what the SDK says too loudly.

Rule: nothing here changes what happens; remove each piece when the SDK behaves.
Source: ably 3.1.4.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

__all__ = ["hide_secrets", "hush"]


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


class _HideSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"((?:key|access_?[tT]oken)=)[^&\s]+", r"\1***", str(record.msg))
        return True
