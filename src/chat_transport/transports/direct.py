"""Agent and client in one process: the reference implementation of `ChatTransport`.

Rule: nothing is encoded; runs live in the agent and go on when a reader leaves. What a client asks
is judged as on any wire (`agent/trust.py`): code in the same process may still speak for a user.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self

from .._waiters import Waiters
from ..agent.run import RunEnd, RunRequest, User
from ..agent.runtime import ActiveRun, Agent
from ..agent.trust import TrustRules, believe
from ..chunks import UIMessageChunk
from ..codecs.retold import retold
from ..errors import RemoteProtocolError, RequestRejected, TransportClosed
from ..inputs import Reconnect, SendMessages
from ..messages import UIMessage
from ..transport import (
    Capabilities,
    ChatChange,
    ChatTransport,
    ChunkStream,
    History,
    MessageSeen,
    MessagesReplaced,
    RunSeen,
)

__all__ = ["DirectChatTransport", "DirectHost"]

CHANGES_KEPT = 1_000
"""Changes that an observer may fall behind before it is given the whole conversation instead."""


class _Told(ChunkStream):
    """What was said before a run, and then its stream."""

    def __init__(self, before: Iterable[UIMessageChunk], stream: ChunkStream) -> None:
        self._before = tuple(before)
        self._stream = stream
        self.run_id = stream.run_id

    async def __anext__(self) -> UIMessageChunk:
        if self._before:
            first, *rest = self._before
            self._before = tuple(rest)
            return first
        return await self._stream.__anext__()

    async def drain(self) -> Sequence[UIMessageChunk]:
        if self._before:
            before, self._before = self._before, ()
            return before
        return await self._stream.drain()


class DirectHost:
    """The agent's end: the chats of one agent, in memory. Transports on the same host share them.

    Args:
        agent: Entered and left by the caller.
        rules: How much of a client's word is taken.
        chats: Conversations known from before, by chat id.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        rules: TrustRules | None = None,
        chats: Mapping[str, Sequence[UIMessage]] | None = None,
    ) -> None:
        self.agent = _agent(agent)
        self._rules = rules or TrustRules()
        self._chats = {chat_id: _Chat(messages) for chat_id, messages in (chats or {}).items()}

    def messages(self, chat_id: str) -> Sequence[UIMessage]:
        """Give the conversation, without replies that are under way."""
        chat = self._chats.get(chat_id)
        return chat.settled() if chat is not None else ()

    def forget(self, chat_id: str) -> None:
        """Drop a conversation; runs under way go on unseen."""
        self._chats.pop(chat_id, None)

    def start(self, wish: SendMessages, *, user: User, origin: object) -> ActiveRun:
        """Judge a request and start its run.

        Raises:
            RequestRejected: If the request cannot be believed, or the agent is not open.
        """
        chat = self._chats.get(wish.chat_id) or _Chat()
        before = chat.settled()
        try:
            request = believe(wish, stored=before, user=user, rules=self._rules)
            run = self.agent.start(request)
        except RemoteProtocolError as error:
            raise RequestRejected(str(error), status=400) from error
        except TransportClosed as error:
            raise RequestRejected(str(error), status=503) from error
        self._chats[wish.chat_id] = chat
        chat.begin(request, run, origin=origin)
        return run

    def running(self, chat_id: str) -> ActiveRun | None:
        """Give the newest run under way."""
        runs = [run for run in self.agent.active(chat_id) if run.state == "active"]
        return runs[-1] if runs else None

    def watch(self, chat_id: str, *, origin: object) -> _Watch:
        """Follow what others than `origin` do; the caller closes it."""
        chat = self._chats.setdefault(chat_id, _Chat())
        watch = _Watch(chat, origin)
        chat.watches.append(watch)
        return watch


class DirectChatTransport(ChatTransport):
    """A client of an agent in the same process.

    Args:
        agent: The agent, or a host that several clients share. Neither is opened or closed here.
        user: Who this client speaks for; what an authentication hook gives on a wire.
    """

    def __init__(self, agent: Agent | DirectHost, *, user: User | None = None) -> None:
        self._host = agent if isinstance(agent, DirectHost) else DirectHost(agent)
        self._user = user or User()
        self._is_open = False

    @property
    def capabilities(self) -> Capabilities:
        """Everything but presence, steering and branches."""
        return Capabilities(
            resumes=True, stops=True, history=True, observes=True, concurrent_runs=True
        )

    async def __aenter__(self) -> Self:
        """Open."""
        self._is_open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; runs go on in the agent."""
        self._is_open = False

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        """Ask for a reply and read it; leaving the block lets the run go on."""
        self._check_open(f"send to chat {request.chat_id!r}")
        run = self._host.start(request, user=self._user, origin=self)
        yield run.log.stream()

    @asynccontextmanager
    async def reconnect_to_stream(
        self, request: Reconnect
    ) -> AsyncGenerator[ChunkStream | None, None]:
        """Give the newest reply under way from its `start`, in few chunks, then live."""
        self._check_open(f"resume chat {request.chat_id!r}")
        run = self._host.running(request.chat_id)
        if run is None:
            yield None
            return
        last = run.run.messages[-1] if run.run.messages else None
        if last is not None and last.id == run.run.response_message_id:
            # The reply goes on with an earlier message: whoever resumes begins with nothing.
            yield _Told(retold(last), run.log.stream(1, snapshot=True))
        else:
            yield run.log.stream(snapshot=True)

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Cancel the handler of one run, or of all runs of the chat."""
        self._check_open(f"stop chat {chat_id!r}")
        self._host.agent.stop(chat_id, run_id)

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        """Give the newest `limit` messages, or those before the message with id `before`."""
        self._check_open(f"load chat {chat_id!r}")
        messages = self._host.messages(chat_id)
        end = len(messages)
        if before is not None:
            end = next((at for at, item in enumerate(messages) if item.id == before), 0)
        start = max(end - limit, 0)
        run = self._host.running(chat_id)
        return History(
            messages=tuple(messages[start:end]),
            active_run_id=run.run.run_id if run is not None else None,
            has_older=start > 0,
            cursor=messages[start].id if start > 0 else None,
        )

    def observe(self, chat_id: str) -> AbstractAsyncContextManager[AsyncIterator[ChatChange]]:
        """Watch what other transports on the same host do in the chat, from now on."""
        self._check_open(f"observe chat {chat_id!r}")
        return self._observe(chat_id)

    @asynccontextmanager
    async def _observe(self, chat_id: str) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        watch = self._host.watch(chat_id, origin=self)
        try:
            yield watch
        finally:
            watch.close()

    def _check_open(self, what: str) -> None:
        if not self._is_open:
            raise TransportClosed(
                f"unable to {what}; the transport is not open: enter it with `async with`"
            )


class _Chat:
    """One conversation: what is settled, what runs, who watches."""

    def __init__(self, messages: Sequence[UIMessage] = ()) -> None:
        self._messages = list(messages)
        self._runs: list[ActiveRun] = []
        self.watches: list[_Watch] = []

    def settled(self) -> Sequence[UIMessage]:
        """Give the messages, with the reply of each run that has ended in its place."""
        for run in [run for run in self._runs if run.end is not None]:
            self._runs.remove(run)
            assert run.end is not None
            _place_reply(self._messages, run.end)
        return tuple(self._messages)

    def begin(self, request: RunRequest, run: ActiveRun, *, origin: object) -> None:
        """Take up the conversation of a new run, and tell the others."""
        before, self._messages = self._messages, list(request.messages)
        self._runs.append(run)
        changes, replaces_id = _changes(before, self._messages)
        for watch in self.watches:
            if watch.origin is not origin:
                chunks = run.log.stream()
                seen = RunSeen(
                    run_id=run.run.run_id,
                    chunks=chunks,
                    replaces_id=replaces_id,
                    is_other_answer=replaces_id is not None and not changes,
                )
                watch.tell(changes, seen)


def _changes(
    before: Sequence[UIMessage], after: Sequence[UIMessage]
) -> tuple[Sequence[ChatChange], str | None]:
    """Say how a request changed the conversation, and which message its reply replaces."""
    last = after[-1] if after else None
    if last is not None and after[:-1] == before:  # a new prompt
        return (MessageSeen(message=last, after_id=before[-1].id if before else None),), None
    if last is not None and last.role == "assistant" and after[:-1] == before[:-1]:  # answered
        return (MessageSeen(message=last),), last.id
    if len(before) == len(after) + 1 and after == before[:-1]:  # the last answer given anew
        return (), before[-1].id
    return (MessagesReplaced(messages=tuple(after)),), None


def _place_reply(messages: list[UIMessage], end: RunEnd) -> None:
    """Put a reply in the place of the message it continues, or behind its prompt.

    A prompt that was changed or cut away meanwhile takes its reply with it.
    """
    reply = end.response_message
    asked = end.run.messages[-1] if end.run.messages else None
    at = next((i for i, item in enumerate(messages) if asked and item.id == asked.id), None)
    if at is None:
        return
    if messages[at].role == "assistant":
        messages[at] = reply
    elif reply.parts:
        messages.insert(at + 1, reply)


class _Watch(AsyncIterator[ChatChange]):
    """One observer's unread changes: never more than `CHANGES_KEPT`."""

    def __init__(self, chat: _Chat, origin: object) -> None:
        self.origin = origin
        self._chat = chat
        self._unread: deque[ChatChange] = deque()
        self._waiters = Waiters()

    def tell(self, changes: Sequence[ChatChange], seen: RunSeen) -> None:
        """Add a run and what came before it."""
        if len(self._unread) + len(changes) >= CHANGES_KEPT:
            self._unread.clear()
            changes = (MessagesReplaced(messages=self._chat.settled()),)
        self._unread.extend((*changes, seen))
        self._waiters.wake()

    def close(self) -> None:
        """Stop watching."""
        self._chat.watches.remove(self)

    async def __anext__(self) -> ChatChange:
        while not self._unread:
            await self._waiters.wait()
        return self._unread.popleft()


def _agent(given: object) -> Agent:
    if not isinstance(given, Agent):  # newcomers hand over the handler itself
        raise TypeError(f"unable to serve {given!r} in this process; give an Agent(handler)")
    return given
