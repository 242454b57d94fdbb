"""`AblyChatTransport`: chat over an Ably channel, client's end.

Rule: constructing does nothing; each chat is one channel, opened at its first use and read until
the transport is left. Runs go on when their reader leaves.
Source: `createChatTransport` of @ably/ai-transport 0.8.0, with resume, history, observing and
presence that it does not have.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias, get_args

from ...errors import LocalProtocolError, TransportClosed
from ...inputs import Reconnect, SendMessages
from ...messages import UIMessage
from ...transport import (
    AgentPresence,
    AgentStatus,
    Capabilities,
    ChatChange,
    ChatTransport,
    ChunkStream,
    History,
)
from .channel import AblyChannel
from .chat_session import ChatSession
from .post import post_json
from .supervisor import AblyConnection, check_connection
from .wire import Outgoing, Wire
from .wires import wire_of

__all__ = ["AblyChatTransport", "Invocation"]

log = logging.getLogger(__name__)

JSON: TypeAlias = Any  # any JSON value
UNANSWERED_S = 5.0
"""Seconds without an answer after which the log says what may be missing."""
STATUSES: tuple[AgentStatus, ...] = get_args(AgentStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What wakes an agent that is not always there, as the JavaScript SDK posts it.

    Attributes:
        input_event_id: The input to answer; it is on the channel already.
        session_name: The channel.
        headers: Of this request, from `SendMessages`.
        body: Further fields of this request, from `SendMessages`.
    """

    input_event_id: str
    session_name: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])

    def to_json(self) -> dict[str, JSON]:
        """Give the body of the POST; its own two fields win."""
        return {
            **self.body,
            "inputEventId": self.input_event_id,
            "sessionName": self.session_name,
        }


Invoke: TypeAlias = Callable[[Invocation], Awaitable[None]]


class AblyChatTransport(ChatTransport):
    """Chats over Ably channels.

    Args:
        connection: Opened with the transport if it is not open yet, and then closed with it; an
            open one is borrowed.
        wire: What is spoken, or its name; None for the wire of @ably/ai-transport.
        channel: The channel of every chat, or how a chat's id gives it; None takes the id itself.
        invoke: Wakes the agent after each send: the address to POST to, or a function. None
            where the agent serves the channel already (`AblyAgent(channels=["the name"])`, or its
            `serve(name)`): what is sent where nobody listens waits on the channel.
        give_up_s: Seconds without a connection after which sending fails; None waits for ever.
    """

    def __init__(
        self,
        connection: AblyConnection,
        *,
        wire: Wire | str | None = None,
        channel: str | Callable[[str], str] | None = None,
        invoke: str | Invoke | None = None,
        give_up_s: float | None = 30.0,
    ) -> None:
        check_connection(connection)
        self._connection = connection
        self._wire = wire_of(wire)
        self._channel = channel
        self._invoke = invoke
        self._give_up_s = give_up_s
        self._sessions: dict[str, ChatSession] = {}
        self._opening = asyncio.Lock()
        self._stack: AsyncExitStack | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Everything but what the wire says."""
        return Capabilities(
            resumes=True,
            stops=True,
            history=True,
            observes=True,
            presence=True,
            concurrent_runs=True,
            steers=self._wire.steers,
            branches=self._wire.branches,
            drops=self._wire.drops,
            refuses=self._wire.refuses,
        )

    async def __aenter__(self) -> Self:
        """Connect, unless the connection is open.

        Raises:
            ConnectFailed: If Ably cannot be reached.
            RequestRejected: If the key or token is refused.
        """
        if self._stack is not None:
            raise TransportClosed("unable to enter the transport; it is entered already")
        stack = AsyncExitStack()
        if not self._connection.is_open:
            await stack.enter_async_context(self._connection)
        self._stack = stack
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave every channel. Runs go on."""
        stack, self._stack = self._stack, None
        self._sessions.clear()
        if stack is not None:
            await stack.__aexit__(exc_type, exc, traceback)

    async def session(self, chat_id: str) -> ChatSession:
        """Give the chat, opened: what has no place in `ChatTransport` is there.

        Raises:
            ConnectFailed: If the channel cannot be attached.
            RequestRejected: If the channel is refused.
            TransportClosed: If the transport is not entered.
        """
        if self._stack is None:
            raise TransportClosed(
                f"unable to use chat {chat_id!r}; the transport is not entered: use `async with`"
            )
        name = self._name(chat_id)
        async with self._opening:
            found = self._sessions.get(name)
            if found is None:
                wire = self._wire.client(
                    client_id=self._connection.client_id, new_id=lambda: str(uuid.uuid4())
                )
                found = ChatSession(self._connection.channel(name), wire, give_up_s=self._give_up_s)
                await self._stack.enter_async_context(found.open())
                self._sessions[name] = found
        return found

    def send_messages(self, request: SendMessages) -> AbstractAsyncContextManager[ChunkStream]:
        """Publish what the request amounts to, wake the agent, and read its reply.

        New messages, edits, regenerations, approvals and tool outputs are found in
        `request.messages` by comparison with what the channel knows.

        Raises:
            ConnectFailed: If there was no connection in time.
            RequestRejected: If Ably or the agent's endpoint refused, a message is too large, or
                the request asks nothing or names an unknown message.
        """
        return self._send(request)

    @asynccontextmanager
    async def _send(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        session = await self.session(request.chat_id)
        outgoing = await session.prepare(request)
        trigger = outgoing[-1]
        with session.reading(trigger.input_id) as stream:
            for each in outgoing:
                await session.publish(each)
                if each.wakes or each is trigger:
                    await self._wake(each, session.channel.name, request)
            with self._noticing(session.channel.name, stream):
                yield stream

    @contextmanager
    def _noticing(self, name: str, stream: ChunkStream) -> Generator[None, None, None]:
        """Say in the log what may be missing if nobody answers."""

        def notice() -> None:
            if stream.run_id is None:
                log.warning(
                    "nobody has begun to answer on channel %r within %g s; an agent must serve it"
                    " (%s)",
                    name,
                    UNANSWERED_S,
                    "AblyAgent(channels=[that name]) or its serve(), or give invoke= to wake one"
                    if self._invoke is None
                    else "it was woken by invoke=: see its log",
                )

        handle = asyncio.get_running_loop().call_later(UNANSWERED_S, notice)
        try:
            yield
        finally:
            handle.cancel()

    def reconnect_to_stream(
        self, request: Reconnect
    ) -> AbstractAsyncContextManager[ChunkStream | None]:
        """Follow the newest run under way from its `start`; None if the chat is idle."""
        return self._reconnect(request)

    @asynccontextmanager
    async def _reconnect(self, request: Reconnect) -> AsyncGenerator[ChunkStream | None, None]:
        session = await self.session(request.chat_id)
        async with session.following() as stream:
            yield stream

    async def stop(self, chat_id: str, run_id: str | None = None) -> None:
        """Ask the agent to end a run, or all that are under way or asked for."""
        session = await self.session(chat_id)
        for ref in session.stoppable(run_id):
            await session.publish(session.wire.cancel(ref))

    async def load_history(
        self, chat_id: str, *, limit: int = 100, before: str | None = None
    ) -> History:
        """Give the newest `limit` messages, or those before the message `before`."""
        if limit < 1:
            raise LocalProtocolError(f"unable to load {limit} messages; ask for at least one")
        session = await self.session(chat_id)
        return await session.history(limit=limit, before=before)

    async def catch_up(self, chat_id: str, messages: Sequence[UIMessage]) -> History:
        """Give an own copy of the chat and what the channel has beyond it; see `ChatTransport`."""
        session = await self.session(chat_id)
        return await session.catch_up(messages)

    def observe(self, chat_id: str) -> AbstractAsyncContextManager[AsyncIterator[ChatChange]]:
        """Watch what other clients do in the chat, from now on."""
        return self._observe(chat_id)

    @asynccontextmanager
    async def _observe(self, chat_id: str) -> AsyncGenerator[AsyncIterator[ChatChange], None]:
        session = await self.session(chat_id)
        async with session.observing() as changes:
            yield changes

    def agent_presence(
        self, chat_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[AgentPresence]]:
        """Watch the agent's presence: the present state first, then each change."""
        return self._agent_presence(chat_id)

    @asynccontextmanager
    async def _agent_presence(
        self, chat_id: str
    ) -> AsyncGenerator[AsyncIterator[AgentPresence], None]:
        session = await self.session(chat_id)
        changed = asyncio.Event()
        async with session.channel.watching(changed.set):
            yield _presences(session.channel, changed)

    def _name(self, chat_id: str) -> str:
        if self._channel is None:
            return chat_id
        return self._channel if isinstance(self._channel, str) else self._channel(chat_id)

    async def _wake(self, trigger: Outgoing, name: str, request: SendMessages) -> None:
        if self._invoke is None:
            return
        invocation = Invocation(
            input_event_id=trigger.event_id,
            session_name=name,
            headers=request.headers,
            body=request.body,
        )
        if isinstance(self._invoke, str):
            await post_json(self._invoke, invocation.to_json(), invocation.headers)
        else:
            await self._invoke(invocation)


async def _presences(channel: AblyChannel, changed: asyncio.Event) -> AsyncIterator[AgentPresence]:
    last: AgentPresence | None = None
    while True:
        changed.clear()
        now = _presence(channel)
        if now != last:
            last = now
            yield now
        await changed.wait()


def _presence(channel: AblyChannel) -> AgentPresence:
    """Give the liveliest agent: whoever shows a `status`, or says that it is one, is one."""
    best = AgentPresence(status="offline")
    for member in channel.members():
        shown = member.data if isinstance(member.data, dict) else {}
        status = shown.get("status", "online" if shown.get("type") == "agent" else None)
        if status in STATUSES and _LIVELINESS[status] > _LIVELINESS[best.status]:
            best = AgentPresence(status=status, client_id=member.client_id, data=member.data)
    return best


_LIVELINESS: dict[str, int] = {
    "offline": 0, "idle": 1, "online": 2, "thinking": 3, "streaming": 4,
}  # fmt: skip
