"""What can be seen of a chat, and how to hear of changes.

Rule: everything here is instant and local; nothing is sent.
Source: AI SDK 7.0.173 `ChatState`.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable

from ..messages import UIMessage
from ._board import Board, ChatStatus
from ._notices import Notices, Updates
from ._queue import SendQueue
from ._words import ChatState

__all__ = ["ChatView", "random_id"]

_ID_ALPHABET = string.ascii_letters + string.digits


def random_id() -> str:
    """Give 16 random letters and digits, as AI SDK names messages."""
    return "".join(random.choices(_ID_ALPHABET, k=16))  # noqa: S311  # a name, not a secret


class ChatView:
    """Messages, status, error and queue of a chat."""

    def __init__(
        self,
        *,
        id: str | None,  # noqa: A002  # the protocol's word
        messages: Iterable[UIMessage],
        make_id: Callable[[], str],
    ) -> None:
        self._id = id
        self._make_id = make_id
        self._notices = Notices()
        self._board = Board(messages, self._notices)
        self._queue = SendQueue(self._board, self._notices)

    @property
    def id(self) -> str:
        """The chat's name, made at first sight if none was given."""
        if self._id is None:
            self._id = self._make_id()
        return self._id

    @property
    def messages(self) -> tuple[UIMessage, ...]:
        """The conversation, the reply under way included. Assign to replace it, locally only."""
        return self._board.messages

    @messages.setter
    def messages(self, messages: Iterable[UIMessage]) -> None:
        self._board.assign(messages)

    @property
    def status(self) -> ChatStatus:
        """`submitted`, `streaming`, `ready` or `error`."""
        return self._board.status

    @property
    def error(self) -> Exception | None:
        """Why the status is `error`; an `AgentError` holds what the agent said."""
        return self._board.error

    @property
    def queued(self) -> tuple[UIMessage, ...]:
        """Messages that wait to be sent, next one first."""
        return self._queue.waiting

    @property
    def state(self) -> ChatState:
        """Everything an interface shows, at this moment."""
        return ChatState(
            messages=self.messages, status=self.status, error=self.error, queued=self.queued
        )

    def subscribe(
        self, callback: Callable[[], None], *, throttle_s: float = 0.0
    ) -> Callable[[], None]:
        """Call `callback` after each change, until the function given back is called.

        Args:
            callback: Called in the chat's event loop; it reads what it wants from the chat.
            throttle_s: Seconds between calls for changed messages; 0 calls for each batch of
                chunks. A new status, error or queue is told at once in any case.
        """
        return self._notices.subscribe(callback, throttle_s)

    def updates(self, *, throttle_s: float = 0.0) -> Updates[ChatState]:
        """Iterate over the chat's states: the present one, then the newest after each change."""
        return Updates(self._notices, lambda: self.state, throttle_s)

    def clear_error(self) -> None:
        """Be `ready` again after an error."""
        self._board.clear_error()

    def remove_queued(self, message_id: str) -> None:
        """Take a message out of the queue; unknown ids are no error."""
        self._queue.remove(message_id)
