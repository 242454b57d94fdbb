"""`AblyAgent`: serves chats over Ably channels, agent's end.

Rule: one session for each channel, however it was woken; a second invocation for the same input
is recognised and starts nothing.
Source: `createAgentSession` of @ably/ai-transport 0.8.0; the always-on form is ours.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self, TypeAlias

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from ..._tasks import open_task_group
from ...agent.run import Handler
from ...agent.runtime import Agent
from ...errors import LocalProtocolError, RequestRejected, TransportClosed
from .agent_session import AgentSession
from .left_runs import Heritage, OfLeftRuns
from .policy import OwnerPolicy, Policy
from .prompt_reading import Past
from .serving import Serving
from .supervisor import AblyConnection, check_connection
from .wire import Wire
from .wires import wire_of
from .writer import WINDOW_S

__all__ = ["AblyAgent", "Woken"]

JSON: TypeAlias = Any  # any JSON value
SESSIONS = 150
"""Channels held at once; Ably allows 200 for each connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """What an invocation led to.

    Attributes:
        run_id: The run that answers the input; None if the agent waits for more before it goes
            on, such as a second approval.
    """

    run_id: str | None
    session_name: str


class AblyAgent:
    """An agent on Ably channels, always on or woken by invocations.

    Args:
        agent: Runs the handler: an open `Agent`, which is borrowed, or a handler alone.
        connection: Opened and closed with the agent if it is not open yet. It needs a client id,
            and the operations publish, subscribe, history, presence and message-update-own.
        channels: Names to serve from the start. A pattern such as `ai:*` serves nothing by itself
            (Ably has no pattern subscriptions): it says which channels an invocation may name.
        wire: What is spoken, or its name; None for the wire of @ably/ai-transport.
        policy: Who may start, stop, steer and answer; by default each run's owner.
        listens: Answer every input on served channels; off answers invocations only.
        window_s: Seconds in which deltas are put together; the first goes at once; 0 is off.
        locate_s: Seconds for finding the input that an invocation names.
        left_runs: What becomes of a run whose process died, once an agent of the same client id
            is there: `end` ends it as failed; `again` runs its handler again, and named steps take
            back what they said before. On wires without steps it ends.
        left_runs_of: Client ids, beside our own, of agents whose left runs are ours too, or what
            says so of an id. They must show presence, as ours do; `policy` must trust their words;
            and to close what they left half said we need the operation message-update-any.
        chat_id: Gives the chat's id from the channel's name; None takes the name itself.
        past: Gives what a store of your own has of the chat with an id, asked before each run. The
            channel is then read back only to the newest of these messages, and may have forgotten
            them.
    """

    def __init__(
        self,
        agent: Agent | Handler,
        connection: AblyConnection,
        *,
        channels: Iterable[str] = (),
        wire: Wire | str | None = None,
        policy: Policy | None = None,
        listens: bool = True,
        window_s: float = WINDOW_S,
        locate_s: float = 10.0,
        left_runs: OfLeftRuns = "end",
        left_runs_of: Collection[str] | Heritage = (),
        chat_id: Callable[[str], str] | None = None,
        past: Past | None = None,
    ) -> None:
        self._agent = agent if isinstance(agent, Agent) else Agent(agent)
        self._owns_agent = not isinstance(agent, Agent)
        check_connection(connection)
        self._connection = connection
        if isinstance(channels, str):
            raise TypeError(f"unable to serve channels={channels!r}; give a list, [{channels!r}]")
        self._patterns = tuple(channels)
        self._wire = wire_of(wire)
        self._chat_id = chat_id or str
        self._serving = Serving(
            policy=policy or OwnerPolicy(),
            listens=listens,
            window_s=window_s,
            locate_s=locate_s,
            past=past,
            left_runs=left_runs,
            inherits=left_runs_of if callable(left_runs_of) else left_runs_of.__contains__,
        )
        self._sessions: dict[str, AgentSession] = {}
        self._leaving: dict[str, asyncio.Event] = {}
        self._opening = asyncio.Lock()
        self._tasks: TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect, and serve the named channels.

        Raises:
            ConnectFailed: If Ably or a channel cannot be reached.
            RequestRejected: If the key, the token or a channel is refused.
        """
        async with AsyncExitStack() as stack:
            if not self._connection.is_open:
                await stack.enter_async_context(self._connection)
            if self._owns_agent:
                await stack.enter_async_context(self._agent)
            self._tasks = await stack.enter_async_context(open_task_group())
            for name in self._patterns:
                if "*" not in name:
                    await self.serve(name)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Stop what runs, tell the readers, leave presence and the channels."""
        for leaving in self._leaving.values():
            leaving.set()
        self._tasks = None
        return await self._stack.__aexit__(exc_type, exc, traceback)

    async def serve(self, name: str) -> AgentSession:
        """Serve a channel from now on.

        Raises:
            ConnectFailed: If it cannot be attached.
            RequestRejected: If it is refused.
        """
        if self._tasks is None:
            raise TransportClosed(f"unable to serve channel {name!r}; the agent is not entered")
        async with self._opening:
            found = self._sessions.pop(name, None)
            if found is None:
                self._make_room()
                found = AgentSession(
                    self._connection.channel(name),
                    self._wire.agent(
                        client_id=self._connection.client_id, new_id=lambda: str(uuid.uuid4())
                    ),
                    self._agent,
                    self._chat_id(name),
                    self._serving,
                )
                await self._tasks.start(self._hold, name, found)
            self._sessions[name] = found  # newest last
        return found

    async def attend(self, name: str) -> AgentSession:
        """Serve a channel that a client names, if the patterns allow it.

        A page that opens a chat may ask for this, so that the agent is present before the first
        input.

        Raises:
            RequestRejected: If the channel is not served here (403).
        """
        if not any(fnmatchcase(name, pattern) for pattern in self._patterns):
            raise RequestRejected(
                f"unable to serve channel {name!r}; this agent serves {list(self._patterns)}",
                status=403,
            )
        return await self.serve(name)

    async def invoke(self, body: Mapping[str, JSON]) -> Woken:
        """Answer the input that an invocation names, unless that is done or under way.

        Args:
            body: `{"inputEventId", "sessionName"}`, as the JavaScript SDK posts it; other
                fields are ignored. The caller has checked who posts.

        Raises:
            LocalProtocolError: If a field is missing or no string.
            RequestRejected: If the channel is not served here (403), or the input is not found
                in time (404, code 104010).
        """
        event_id, name = body.get("inputEventId"), body.get("sessionName")
        if not (isinstance(event_id, str) and event_id and isinstance(name, str) and name):
            raise LocalProtocolError(
                'unable to read the invocation; it is {"inputEventId": "...", "sessionName":'
                ' "..."} with two strings'
            )
        session = await self.attend(name)
        await session.locate(event_id)
        return Woken(run_id=await session.answer(event_id), session_name=name)

    async def finish(self, body: Mapping[str, JSON]) -> Woken:
        """Answer the input that an invocation names, and wait until its run ends or waits.

        For work that an engine repeats until it is done (a Temporal activity, say): given again
        after a process died, with `left_runs="again"`, it runs the handler of the same run again.

        Raises:
            LocalProtocolError, RequestRejected: As `invoke`.
        """
        woken = await self.invoke(body)
        if woken.run_id is not None:
            await (await self.serve(woken.session_name)).until_over(woken.run_id)
        return woken

    async def drain(self) -> None:
        """Wait until no run is under way, as a function does that lives for one request.

        What it served is on the channel then; the next one finds it there.
        """
        for session in list(self._sessions.values()):
            await session.drain()

    async def _hold(
        self,
        name: str,
        session: AgentSession,
        *,
        task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
    ) -> None:
        leaving = self._leaving[name] = asyncio.Event()
        try:
            async with session.open():
                task_status.started()
                await leaving.wait()
        finally:
            del self._leaving[name]

    def _make_room(self) -> None:
        """Let go of the channel that has been idle longest."""
        if len(self._sessions) < SESSIONS:
            return
        for name, session in self._sessions.items():
            if session.is_idle and name not in self._patterns:
                self._leaving[name].set()
                del self._sessions[name]
                return
