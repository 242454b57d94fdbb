"""Finds what a reply had before its run: the message that an answered call goes on with.

Rule: only while the run is active does the store have the beginning; afterwards it has the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..._chunk_log import ChunkLog
from ...agent.runtime import ActiveRun
from ...chunks import Start
from ...errors import StreamInterrupted
from ...messages import UIMessage
from .chat_store import ChatStore
from .run_log import LoggedRun, RunLog

__all__ = ["find_beginning"]


async def find_beginning(
    run: LoggedRun,
    log: ChunkLog,
    local: Iterable[ActiveRun],
    store: ChatStore,
    run_log: RunLog,
) -> UIMessage | None:
    """Give the message as it was when the run began; None if the run began a message of its own.

    Args:
        run: Found as active.
        log: What the run says.
        local: The chat's runs of this process.
        store: Asked for a run of another process, with its log.
        run_log: Tells whether that run is still active.
    """
    for active in local:
        if active.run.run_id == run.run_id:
            return _named(active.run.messages, active.run.response_message_id)
    try:
        said = await log.stream().drain()
    except StreamInterrupted:
        return None  # it died before it said anything
    stored = await store.load(run.chat_id)
    known = await run_log.find(run.chat_id)
    if not said or stored is None or known is None or known.run_id != run.run_id:
        return None
    start = said[0]
    return _named(stored.messages, start.message_id) if isinstance(start, Start) else None


def _named(messages: Sequence[UIMessage], reply_id: object) -> UIMessage | None:
    last = messages[-1] if messages else None
    return last if last and last.role == "assistant" and last.id == reply_id else None
