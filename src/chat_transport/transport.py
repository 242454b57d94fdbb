"""`ChatTransport`: the one interface between a chat application and an agent, client's end.

Rule: what a transport can do it says in `capabilities`; nobody asks for its type.
Source: `ChatTransport` of AI SDK 7.0.173, with history, observing and presence added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from .chunks import UIMessageChunk
from .errors import NotSupported
from .inputs import Reconnect, SendMessages
from .messages import UIMessage

__all__ = [
    "AgentPresence",
    "AgentStatus",
    "Ask",
    "Capabilities",
    "ChatChange",
    "ChatTransport",
    "ChunkStream",
    "History",
    "MessageSeen",
    "MessagesReplaced",
    "RunSeen",
]

Ask: TypeAlias = Literal["regenerate", "edit", "prompt-parts", "tool-output", "approval"]
"""What a client may ask beyond a prompt of text. `prompt-parts`: its parts that are no text."""
HISTORY_LIMIT = 100
"""Messages of a page of history, unless another number is asked for."""
CATCH_UP_PAGES = 50
"""Pages that are read at most to find where an own copy of a chat joins its history."""
AgentStatus: TypeAlias = Literal["offline", "online", "thinking", "streaming", "idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a transport can do. `Chat` and the conformance kit read this, never types."""

    resumes: bool = False
    """A run goes on when its reader leaves, and `reconnect_to_stream` finds it."""
    replays_on_resume: bool = True
    """A resumed stream starts over from `start` (`resumeStreamIsReplay`)."""
    stops: bool = False
    """`stop` reaches the agent."""
    history: bool = False
    observes: bool = False
    """Runs and messages of other clients are seen live."""
    presence: bool = False
    concurrent_runs: bool = False
    steers: bool = False
    branches: bool = False
    drops: frozenset[str] = field(default_factory=frozenset[str])
    """Chunk types that this wire cannot carry as they are said, and drops; `data-*` is all data.

    What the grammar of a reply needs of them (parts, steps) the client's end puts in. Without
    `message-metadata`, that of `start` and `finish` is dropped too.
    """
    refuses: frozenset[Ask] = field(default_factory=frozenset[Ask])
    """What this wire has no word for: asking raises `NotSupported`, and nothing is sent."""


class ChunkStream(ABC):
    """The chunks of one reply, in order: `async for chunk in stream`.

    Raises from iteration:
        StreamInterrupted: If the bytes ended before a terminal chunk.
        RemoteProtocolError: If the peer sent what the protocol does not allow.
    """

    run_id: str | None = None
    """The run that speaks, where the wire names it."""

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> UIMessageChunk:
        """Give the next chunk, waiting for it."""

    async def drain(self) -> Sequence[UIMessageChunk]:
        """Wait for at least one chunk and give all there are; empty at the end.

        A wake-up costs more than a chunk: readers that keep up use this.
        """
        try:
            return (await self.__anext__(),)
        except StopAsyncIteration:
            return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A page of a chat's past.

    Attributes:
        messages: Oldest first.
        active_run_id: A run that is under way; `reconnect_to_stream` follows it. None if idle.
        has_older: Whether an earlier page exists.
        cursor: Give it as `before` to get the earlier page; None if there is none.
    """

    messages: Sequence[UIMessage]
    active_run_id: str | None = None
    has_older: bool = False
    cursor: str | None = None

    def joined_to(self, own: Sequence[UIMessage]) -> Sequence[UIMessage] | None:
        """Give an own copy of the chat up to where this page takes over, then this page.

        They are joined at the newest message, by its id, that both have. From there on only the
        page counts: an answer that was regenerated since is left out. None if they have none.
        """
        places = {message.id: place for place, message in enumerate(own)}
        for at in range(len(self.messages) - 1, -1, -1):
            place = places.get(self.messages[at].id)
            if place is None:
                continue
            met, mine = self.messages[at], own[place]
            if at == 0 and self.has_older:
                met = mine  # the oldest of a page may have parts on the page before
            elif met.metadata is None and mine.metadata is not None:
                met = met.model_copy(update={"metadata": mine.metadata})  # not every wire has it
            return [*own[:place], met, *self.messages[at + 1 :]]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSeen:
    """Another client's message came; it belongs after `after_id`, or last if that is None.

    Attributes:
        run_id: The run under way that it was said to (a steer); None if it asks for a reply.
    """

    message: UIMessage
    after_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """A run that another client asked for; `chunks` gives its reply from `start`.

    Attributes:
        replaces_id: The message that the reply takes the place of (regenerate, continuation).
        is_other_answer: That message, and what followed it, goes from view at once, though it may
            still be said; else the reply goes on with it.
    """

    run_id: str
    chunks: ChunkStream
    replaces_id: str | None = None
    is_other_answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesReplaced:
    """The conversation had to be read anew (gap in the wire, edit or branch by another client)."""

    messages: Sequence[UIMessage]


ChatChange: TypeAlias = MessageSeen | RunSeen | MessagesReplaced
"""What `ChatTransport.observe` tells of other clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPresence:
    """What an agent reports of itself; `offline` when none is there."""

    status: AgentStatus
    client_id: str | None = None
    data: Any = None  # JSON of the agent's own


class ChatTransport(ABC):
    """The client's end of a wire. Constructing does nothing; `async with` opens and closes it."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this transport can do; constant for its life."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Open.

        Raises:
            ConnectFailed: If the peer cannot be reached.
        """

    @abstractmethod
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release everything. Runs go on where `capabilities.resumes`."""

    @abstractmethod
    def send_messages(self, request: SendMessages) -> AbstractAsyncContextManager[ChunkStream]:
        """Ask for a reply and read it. Leaving the block is *leave*, not *stop*.

        Raises:
            ConnectFailed: If nothing was sent. Safe to repeat.
            RequestRejected: If the agent refused.
            TransportClosed: If the transport is not entered.

        If cancelled while entering, the request may or may not have reached the agent.
        """

    @abstractmethod
    def reconnect_to_stream(
        self, request: Reconnect
    ) -> AbstractAsyncContextManager[ChunkStream | None]:
        """Give the chat's current reply from its `start`, or None if no run is active.

        What was streamed before comes again, in as few chunks as the wire allows;
        fold them into a new message. Leaving the block stops delivery, not the run.

        Raises:
            ConnectFailed: If the agent or broker cannot be reached. Safe to repeat.
            TransportClosed: If the transport is not entered.
        """

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Ask the agent to end `run_id`, or every active run of the chat; streams end with `abort`.

        No active run is not an error.

        Raises:
            NotSupported: If `capabilities.stops` is false.
        """
        raise NotSupported(f"unable to stop chat {chat_id!r}; {type(self).__name__} cannot stop")

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        """Give the newest `limit` messages, or those before the cursor `before`.

        Raises:
            NotSupported: If `capabilities.history` is false.
        """
        raise NotSupported(f"unable to load chat {chat_id!r}; {type(self).__name__} has no history")

    async def catch_up(self, chat_id: str, messages: Sequence[UIMessage]) -> History:
        """Give `messages`, an own copy of the chat, and what is newer here, joined by their ids.

        Reads back only to the newest message of the copy that is remembered here, so an
        application with a database of its own never loads the old past again. If none of them is
        remembered, everything that is counts as newer. `has_older` says that reading stopped before
        they met, after `CATCH_UP_PAGES` pages: something may lie between. Without a copy there is
        nothing to meet: the newest page is given, as by `load_history`.

        Raises:
            NotSupported: If `capabilities.history` is false.
        """
        newest = page = await self.load_history(chat_id)
        if not messages:
            return page
        shown = list(page.messages)
        for _ in range(CATCH_UP_PAGES):
            found = History(messages=shown, has_older=page.has_older).joined_to(messages)
            if found is not None:
                return History(messages=found, active_run_id=newest.active_run_id)
            if not page.has_older:
                break
            page = await self.load_history(chat_id, before=page.cursor)
            shown = [*page.messages, *shown]
        return History(
            messages=[*messages, *shown],
            active_run_id=newest.active_run_id,
            has_older=page.has_older,
        )

    def observe(self, chat_id: str) -> AbstractAsyncContextManager[AsyncIterator[ChatChange]]:
        """Watch what other clients do in the chat, from now on.

        Raises:
            NotSupported: If `capabilities.observes` is false.
        """
        raise NotSupported(f"unable to observe chat {chat_id!r}; {type(self).__name__} cannot")

    def agent_presence(
        self, chat_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[AgentPresence]]:
        """Watch the agent's presence: the present state first, then each change.

        Raises:
            NotSupported: If `capabilities.presence` is false.
        """
        raise NotSupported(f"unable to watch chat {chat_id!r}; {type(self).__name__} cannot")
