"""What the application sees: the messages, the status and the error of a chat.

Rule: replies under way are written here lazily: a token marks its reply as changed, and the message
is built when somebody reads the list. Nothing on the path of a token is linear in the reply.
Source: AI SDK 7.0.173 `ChatState`, and its rules for where a reply is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..messages import UIMessage, UIMessagePart
from ..reducer import MessageReducer
from ._notices import Notices

__all__ = ["Board", "ChatStatus", "Placing"]

ChatStatus: TypeAlias = Literal["submitted", "streaming", "ready", "error"]


@dataclass(eq=False, slots=True)
class Placing:
    """Where a reply stands in the list.

    Attributes:
        reducer: What folds the reply.
        earlier_id: The message before the last one that the reply continues; its new id, if the
            reply brings one, takes that place.
    """

    reducer: MessageReducer
    earlier_id: str | None = None
    _index: int = -1
    _version: int = -1


class Board:
    """Messages, status and error, with a notice for each change.

    Attributes:
        steers: Ids of messages that were said to a run: they ask for no reply of their own.
    """

    def __init__(self, messages: Iterable[UIMessage], notices: Notices) -> None:
        self._messages = list(messages)
        self._seen: tuple[UIMessage, ...] | None = None
        self._changed: dict[Placing, None] = {}
        self._version = 0
        self._notices = notices
        self.steers: set[str] = set()
        self.status: ChatStatus = "ready"
        self.error: Exception | None = None

    @property
    def messages(self) -> tuple[UIMessage, ...]:
        """The messages now; the same tuple until something changes."""
        if self._changed:
            self._flush()
        if self._seen is None:
            self._seen = tuple(self._messages)
        return self._seen

    @property
    def last(self) -> UIMessage | None:
        """The last message that is no steer."""
        asking = self.asking
        return asking[-1] if asking else None

    @property
    def asking(self) -> tuple[UIMessage, ...]:
        """The messages without steers behind the reply that they were said to."""
        messages = self.messages
        end = len(messages)
        while end and messages[end - 1].id in self.steers:
            end -= 1
        return messages if end == len(messages) else messages[:end]

    def set_status(self, status: ChatStatus, error: Exception | None = None) -> None:
        """Change status and error; the same again is no news."""
        if self.status != status or self.error is not error:
            self.status, self.error = status, error
            self._notices.state_changed()

    def clear_error(self) -> None:
        """Forget the error, then be ready."""
        if self.status == "error":
            self.set_status("error", None)
            self.set_status("ready")

    def assign(self, messages: Iterable[UIMessage]) -> None:
        """Replace the whole list."""
        self._flush()
        self._messages = list(messages)
        self._touch()

    def push(self, message: UIMessage) -> None:
        """Add a message at the end."""
        self.assign((*self.messages, message))

    def replace(self, index: int, message: UIMessage) -> None:
        """Put `message` in the place of the one at `index`."""
        self._flush()
        self._messages[index] = message
        self._touch()

    def update_part(
        self,
        matches: Callable[[UIMessagePart], bool],
        update: Callable[[UIMessagePart], UIMessagePart],
    ) -> UIMessage | None:
        """Change the matching parts of the first message that has one; None if none has."""
        for index, message in enumerate(self.messages):
            if any(matches(part) for part in message.parts):
                parts = [update(part) if matches(part) else part for part in message.parts]
                changed = message.model_copy(update={"parts": parts})
                self.replace(index, changed)
                return changed
        return None

    def index_of(self, message_id: str) -> int:
        """Give the place of a message, or -1."""
        return next((i for i, m in enumerate(self.messages) if m.id == message_id), -1)

    def write(self, placing: Placing, *, is_renamed: bool) -> None:
        """Note that a reply changed; find its place if it has none or its id may be new."""
        if is_renamed or placing._version != self._version:  # noqa: SLF001  # the two are one piece
            self._place(placing)
        else:
            self._changed[placing] = None
            self._seen = None

    def flush(self, placing: Placing) -> None:
        """Write down a reply as it is now: it is over, or what comes next is no news."""
        if placing in self._changed:
            self._flush()

    def tell(self) -> None:
        """Announce what `write` noted."""
        self._notices.messages_changed()

    def _place(self, placing: Placing) -> None:
        self._flush()
        message = placing.reducer.message
        index = self._last_index(message.id)
        if index < 0 and placing.earlier_id is not None:
            index = self._last_index(placing.earlier_id)
        if index < 0:
            index = len(self._messages)
            self._messages.append(message)
            self._version += 1
        else:
            self._messages[index] = message
        self._seen = None
        placing._index, placing._version = index, self._version  # noqa: SLF001  # as above

    def _last_index(self, message_id: str) -> int:
        for index in range(len(self._messages) - 1, -1, -1):
            if self._messages[index].id == message_id:
                return index
        return -1

    def _flush(self) -> None:
        changed, self._changed = self._changed, {}
        for placing in changed:
            self._messages[placing._index] = placing.reducer.message  # noqa: SLF001  # as above
            self._seen = None

    def _touch(self) -> None:
        self._version += 1
        self._seen = None
        self._notices.messages_changed()
