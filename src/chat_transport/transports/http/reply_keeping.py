"""Puts replies into the chat store: whole ones before their end is told, partial ones of the dead.

Rule: whoever reads a terminal chunk finds the reply in the store, in any process. A store that
fails or takes too long costs this reply, which then ends with `error`, and no other.
"""

from __future__ import annotations

import logging

import anyio

from ..._chunk_log import ChunkLog
from ...agent.run import RunEnd
from ...agent.runtime import ActiveRun
from .chat_store import ChatStore, StoredChat
from .partial_reply import folded_partial
from .run_log import LoggedRun

__all__ = ["NOT_KEPT_TEXT", "ReplyKeeper", "logged"]

NOT_KEPT_TEXT = "the reply was not kept: the chat store failed"
"""What a client reads in place of an ending that would promise too much."""
_log = logging.getLogger("chat_transport.http")


def logged(active: ActiveRun, *, owner: str | None, request_key: str | None = None) -> LoggedRun:
    """Give what a run log needs to know of a run of this process."""
    run = active.run
    last = run.messages[-1] if run.messages else None
    goes_on = last is not None and last.id == run.response_message_id
    return LoggedRun(
        chat_id=run.chat_id,
        run_id=run.run_id,
        owner=owner,
        request_key=request_key,
        begins_with=last if goes_on else None,
    )


class ReplyKeeper:
    """Keeps replies in a store.

    Args:
        store: Entered.
        timeout_s: Seconds that keeping one reply may take; None waits for ever.
    """

    def __init__(self, store: ChatStore, *, timeout_s: float | None) -> None:
        self._store = store
        self._timeout_s = timeout_s

    async def keep(self, end: RunEnd) -> str | None:
        """Keep the reply of a run that ends, however it ends. Gives `NOT_KEPT_TEXT` or None."""
        run, reply = end.run, end.response_message
        if not reply.parts:
            return None
        after_id = run.messages[-1].id if run.messages else None
        try:
            with anyio.fail_after(self._timeout_s):
                await self._store.put(run.chat_id, reply, after_id=after_id)
        except Exception:  # noqa: BLE001  # the application's store: this reply is lost, no other
            _log.exception("unable to keep the reply of run %r", run.run_id)
            return NOT_KEPT_TEXT
        return None

    async def keep_orphan(self, run: LoggedRun, log: ChunkLog) -> None:
        """Keep what a run said before its process died, unless it got to keep the reply itself.

        Several processes may find the same orphan: twice does no harm.
        """
        try:
            with anyio.fail_after(self._timeout_s):
                await self._keep_partial(run, log)
        except Exception:  # noqa: BLE001  # as above
            _log.exception("unable to keep the interrupted reply of run %r", run.run_id)

    async def _keep_partial(self, run: LoggedRun, log: ChunkLog) -> None:
        reply = folded_partial(log.since(0), run.begins_with)
        if reply is None:
            return
        stored = await self._store.load(run.chat_id) or StoredChat()
        known = next((message for message in stored.messages if message.id == reply.id), None)
        if known is not None and known != run.begins_with:
            return  # as it ended, or as somebody else found it
        last = stored.messages[-1] if stored.messages else None
        await self._store.put(run.chat_id, reply, after_id=last.id if last else None)
