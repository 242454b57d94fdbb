"""`ChatStore`: where a server keeps its chats. Small enough to write your own in an afternoon.

Rule: the store is believed; what a client sends is a claim. Messages are kept as they go on the
wire, so that a chat written by one version is read by the next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ...messages import UIMessage

__all__ = ["ChatStore", "MemoryChatStore", "StoredChat", "with_message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChat:
    """A chat at rest.

    Attributes:
        messages: Oldest first.
        owner: The verified user that began it; None if anonymous.
    """

    messages: Sequence[UIMessage] = field(default_factory=tuple[UIMessage, ...])
    owner: str | None = None


class ChatStore(ABC):
    """Three methods. `async with` opens and closes it; the defaults need nothing to open."""

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        return

    @abstractmethod
    async def load(self, chat_id: str) -> StoredChat | None:
        """Give the chat; None if it was never saved."""

    @abstractmethod
    async def save(self, chat_id: str, chat: StoredChat) -> None:
        """Replace the chat as a whole: a run begins, and its prompt is part of the chat."""

    @abstractmethod
    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        """Replace the message of that id, or insert it after `after_id`; None means last.

        Done in one step: two runs of a chat may end at the same time.
        """


def with_message(
    messages: Sequence[UIMessage], message: UIMessage, after_id: str | None
) -> list[UIMessage]:
    """Give the messages with `message` in its place, as `ChatStore.put` must do it."""
    placed = list(messages)
    for index, old in enumerate(placed):
        if old.id == message.id:
            placed[index] = message
            return placed
    for index, old in enumerate(placed):
        if old.id == after_id:
            placed.insert(index + 1, message)
            return placed
    placed.append(message)
    return placed


class MemoryChatStore(ChatStore):
    """Chats of one process, gone when it ends.

    Args:
        keep_chats: Chats kept; the one not written for longest is dropped first. None keeps all.
    """

    def __init__(self, *, keep_chats: int | None = 10_000) -> None:
        self._keep_chats = keep_chats
        self._chats: dict[str, StoredChat] = {}

    async def load(self, chat_id: str) -> StoredChat | None:
        """Give the chat."""
        return self._chats.get(chat_id)

    async def save(self, chat_id: str, chat: StoredChat) -> None:
        """Keep the chat."""
        self._chats.pop(chat_id, None)
        self._chats[chat_id] = chat
        if self._keep_chats is not None and len(self._chats) > self._keep_chats:
            del self._chats[next(iter(self._chats))]

    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        """Place the message."""
        chat = self._chats.get(chat_id, StoredChat())
        await self.save(
            chat_id,
            StoredChat(messages=with_message(chat.messages, message, after_id), owner=chat.owner),
        )
