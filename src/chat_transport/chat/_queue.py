"""Messages that wait to be sent, and when their turn comes.

Rule: no I/O here: `take` says what is to be sent next, its caller sends it.
Source: AI SDK 7.0.173 `experimental_queue`.
"""

from __future__ import annotations

from ..messages import UIMessage
from ._board import Board
from ._notices import Notices
from ._parts import has_unsent_approval, waits_for_user
from ._words import RequestOptions

__all__ = ["SendQueue"]


class SendQueue:
    """First in, first out, one after each finished reply.

    Attributes:
        waiting: The messages, next one first.
        is_paused: A stop, an error or an interruption holds the queue until the user sends again.
        deferred_approval: Send answered approvals with these options before any message.
    """

    def __init__(self, board: Board, notices: Notices) -> None:
        self._board = board
        self._notices = notices
        self._options: dict[str, RequestOptions] = {}
        self.waiting: tuple[UIMessage, ...] = ()
        self.is_paused = False
        self.deferred_approval: RequestOptions | None = None

    def must_wait(self, *, is_busy: bool) -> bool:
        """Whether a message sent now belongs behind something else."""
        return is_busy or bool(self.waiting) or waits_for_user(self._board.last)

    def add(self, message: UIMessage, options: RequestOptions) -> None:
        """Put a message at the end."""
        self._options[message.id] = options
        self._set((*self.waiting, message))

    def remove(self, message_id: str) -> None:
        """Forget a message; unknown ids are no error."""
        self._options.pop(message_id, None)
        self._set(tuple(m for m in self.waiting if m.id != message_id))

    def move_to_front(self, message_id: str) -> RequestOptions | None:
        """Make a message the next one; None if it is not here."""
        chosen = [m for m in self.waiting if m.id == message_id]
        if not chosen:
            return None
        self._set((*chosen, *(m for m in self.waiting if m.id != message_id)))
        return self._options.get(message_id, RequestOptions())

    def clear(self) -> None:
        """Forget everything: the history that the messages followed is being rewritten."""
        self._options.clear()
        self.deferred_approval = None
        self._set(())

    def take_approval(self) -> RequestOptions | None:
        """Give the options to send a deferred approval with, if it still is to be sent."""
        options, self.deferred_approval = self.deferred_approval, None
        return options if has_unsent_approval(self._board.last) else None

    def take_message(self, *, skips_waiting: bool) -> tuple[UIMessage, RequestOptions] | None:
        """Give the next message unless the assistant waits for the user."""
        if not self.waiting or (not skips_waiting and waits_for_user(self._board.last)):
            return None
        message = self.waiting[0]
        self._set(self.waiting[1:])
        return message, self._options.pop(message.id, RequestOptions())

    def _set(self, waiting: tuple[UIMessage, ...]) -> None:
        if waiting != self.waiting:
            self.waiting = waiting
            self._notices.state_changed()
