"""What came from elsewhere: the chat's past, and what other clients do in it.

Rule: asked only where the transport's capabilities promise it.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio.abc import TaskGroup

from ..errors import ChatTransportError
from ..transport import (
    HISTORY_LIMIT,
    ChatTransport,
    History,
    MessageSeen,
    MessagesReplaced,
    RunSeen,
)
from ._board import Board
from ._cuts import leave_cut, leave_rewritten
from ._replies import Replies
from ._turns import Turns

__all__ = ["Others"]


class Others:
    """History and observed changes, written to the board."""

    def __init__(
        self,
        *,
        transport: ChatTransport,
        chat_id: Callable[[], str],
        board: Board,
        replies: Replies,
        turns: Turns,
        tasks: Callable[[], TaskGroup],
    ) -> None:
        self._transport = transport
        self._chat_id = chat_id
        self._board = board
        self._replies = replies
        self._turns = turns
        self._tasks = tasks
        self._history: History | None = None

    @property
    def has_older(self) -> bool:
        """Whether there is a page before the oldest one loaded."""
        return self._history is not None and self._history.has_older

    async def load_history(self, limit: int) -> History:
        """Show the newest page in place of what is shown."""
        history = await self._transport.load_history(self._chat_id(), limit=limit)
        self._history = history
        self._board.assign(history.messages)
        return history

    async def catch_up(self) -> History:
        """Show what the transport has beyond the messages shown."""
        if not self._board.messages:
            return await self.load_history(HISTORY_LIMIT)  # there is nothing to join
        history = await self._transport.catch_up(self._chat_id(), self._board.messages)
        self._board.assign(history.messages)
        return history

    async def load_older(self, limit: int) -> History:
        """Put the page before the oldest one in front."""
        if self._history is None:
            return await self.load_history(limit)
        if not self._history.has_older:
            return History(messages=())
        history = await self._transport.load_history(
            self._chat_id(), limit=limit, before=self._history.cursor
        )
        self._history = history
        shown = self._board.messages
        known = {message.id for message in shown}
        older = [message for message in history.messages if message.id not in known]
        self._board.assign((*older, *shown))
        return history

    async def observe(self) -> None:
        """Show what other clients do until cancelled; a failure is the chat's error."""
        try:
            async with self._transport.observe(self._chat_id()) as changes:
                async for change in changes:
                    if isinstance(change, MessageSeen):
                        self._place(change)
                    elif isinstance(change, MessagesReplaced):
                        shown = {message.id for message in change.messages}
                        leave_cut(self._replies.under_way, shown)
                        self._board.assign(change.messages)
                    else:
                        self._tasks().start_soon(self._watch, change)
        except ChatTransportError as error:
            self._replies.fail(error)

    async def _watch(self, seen: RunSeen) -> None:
        index = self._board.index_of(seen.replaces_id) if seen.replaces_id is not None else -1
        if seen.is_other_answer and index >= 0:
            kept = self._board.messages[:index]
            await leave_rewritten(self._replies.under_way, kept)
            self._board.assign(kept)
        await self._replies.watch(seen)
        self._turns.start(self._turns.next_queued())

    def _place(self, seen: MessageSeen) -> None:
        if seen.run_id is not None:
            self._board.steers.add(seen.message.id)
        index = self._board.index_of(seen.message.id)
        if index >= 0:
            self._board.replace(index, seen.message)
            return
        messages = self._board.messages
        after = self._board.index_of(seen.after_id) if seen.after_id is not None else -1
        cut = after + 1 if after >= 0 else len(messages)
        self._board.assign((*messages[:cut], seen.message, *messages[cut:]))
