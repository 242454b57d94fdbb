"""An agent's hold on one chat: reads its channel, decides what to believe, and serves its runs.

Rule: whatever somebody publishes is judged before it is folded; a stop reaches the handler in the
channel's listener, without waiting for anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import anyio
from anyio.abc import TaskGroup

from ..._tasks import open_task_group
from ...agent.run import RunRequest, User
from ...agent.runtime import ActiveRun, Agent
from ...codecs.ably.operations import Inbound
from ...errors import RequestRejected, TransportError
from .channel import AblyChannel
from .channel_reader import ChannelReader
from .orphans import close_orphan
from .policy import Policy, user_of
from .run_carrier import RunCarrier
from .wire import Act, AgentWire, Heard, Orphan, RunRef, RunTask
from .wire_abilities import RefusingAgent, SteeringAgent

__all__ = ["AgentSession"]

log = logging.getLogger(__name__)
V = TypeVar("V")

REMEMBERED = 1000
"""Inputs, and runs of our own, that are known to be dealt with."""
CLOSING_S = 10.0
"""Seconds for saying the ends of runs when the session is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How an agent serves its chats.

    Attributes:
        policy: Who may do what.
        listens: Answer every input that comes while attached; off answers invocations only.
        window_s: Seconds in which deltas are put together; 0 is off.
        locate_s: Seconds for finding the input that an invocation names.
        pages: Pages of history read at most to find an input, or for a prompt.
    """

    policy: Policy
    listens: bool = True
    window_s: float = 0.04
    locate_s: float = 10.0
    pages: int = 20


@dataclass(slots=True)
class _Served:
    active: ActiveRun
    ref: RunRef
    carrier: RunCarrier | None = None
    has_spoken: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class AgentSession:
    """One channel, served until it is left.

    Args:
        channel: Where it happens.
        wire: The agent's end of the wire, fresh.
        agent: Runs the handler.
        chat_id: The chat as the handler knows it.
        serving: How.
    """

    def __init__(
        self, channel: AblyChannel, wire: AgentWire, agent: Agent, chat_id: str, serving: Serving
    ) -> None:
        self.channel = channel
        self.chat_id = chat_id
        self._wire = wire
        self._agent = agent
        self._serving = serving
        self._reader = ChannelReader(channel, self)
        self._runs: dict[str, _Served] = {}
        self._begun: dict[str, str] = {}
        self._early: dict[str, str] = {}
        self._ours: dict[str, None] = {}
        self._users: dict[str, User] = {}
        self._unjudged: list[Inbound] = []
        self._awaited: dict[str, asyncio.Event] = {}
        self._speakers: dict[str, str | None] = {}
        self._tasks: TaskGroup | None = None
        self._shown: str | None = None
        self._mood = asyncio.Event()
        self._serves = 0
        self._is_leaving = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether no run is under way here, or about to begin."""
        return self._idle.is_set()

    async def drain(self) -> None:
        """Wait until no run is under way here, and all that was said is on the channel."""
        await self._idle.wait()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Attach, read the newest history, show presence, close what a dead agent left.

        Leaving the block stops the runs, tells readers, and leaves presence.
        """
        async with self._reader.open(), self.channel.watching(self._on_presence):
            async with open_task_group() as self._tasks:
                await self._reader.begin()
                if self.channel.connection.client_id is not None:
                    await self.channel.present(_shown_as("online"))
                    self._shown = "online"
                    self._tasks.start_soon(self._show)
                self._on_presence()
                try:
                    yield
                finally:
                    with anyio.move_on_after(CLOSING_S, shield=True):
                        await self._stop_all()
                        await self.channel.absent()
                    self._tasks.cancel_scope.cancel()

    async def locate(self, event_id: str) -> None:
        """Wait until the input has been read, looking for it in history meanwhile.

        Raises:
            RequestRejected: If it was not found in time (404, 104010).
        """
        found = self._awaited.setdefault(event_id, asyncio.Event())
        try:
            async with asyncio.timeout(self._serving.locate_s):
                for _ in range(self._serving.pages):
                    if self._wire.knows(event_id) and not self._wire.lacks_run(event_id):
                        break
                    if not await self._load_older():
                        break
                if not self._wire.knows(event_id):
                    await found.wait()
        except TimeoutError as error:
            raise RequestRejected(
                f"unable to find input {event_id!r} on channel {self.channel.name!r} in"
                f" {self._serving.locate_s:g} s; publish it before the invocation is sent",
                status=404,
                code=104010,
            ) from error
        finally:
            self._awaited.pop(event_id, None)

    def begin(self, event_id: str) -> str | None:
        """Serve the input unless that is done; give the run that answers it, if it is a trigger."""
        if event_id in self._begun:
            return self._begun[event_id]
        task = self._wire.resolve(event_id)
        if task is None or task.ref.run_id is None:
            return None
        run_id = self._wire.answered_by(task)
        if run_id is None:
            run_id = task.ref.run_id
            assert self._tasks is not None
            self._serves += 1
            self._idle.clear()
            self._tasks.start_soon(self._try_to_serve, task, self._users.pop(event_id, User()))
        elif task.continues and run_id in self._runs:
            self._early[run_id] = event_id  # answered before the run has said that it waits
            return run_id
        _remember(self._begun, event_id, run_id)
        return run_id

    # From the channel --------------------------------------------------------------------------

    def take(self, message: Inbound, *, live: bool) -> None:
        """Judge a message, and fold it if it is believed."""
        self._judge(message, live=live)

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change."""
        return self._wire.oldest_open()

    def on_healed(self, error: TransportError | None) -> None:
        """Runs went on meanwhile."""

    def on_lost(self, error: TransportError) -> None:
        """Stop talking to nobody."""
        log.error("channel %s is lost: %s", self.channel.name, error)
        for served in self._runs.values():
            served.active.stop("the channel was lost")

    def _judge(self, message: Inbound, *, live: bool) -> None:
        act = self._wire.act(message)
        if act is None:
            return
        if not act.is_known:
            self._unjudged.append(message)
            if live and self._tasks is not None:
                self._tasks.start_soon(self._judge_late, message)
            return
        user = user_of(message)
        if not self._may(act, user):
            log.info("%s by %r on %s ignored", act.kind, user.id, self.channel.name)
            return
        if live:
            self._refuse(message)
        heard = self._wire.feed(message, live=live)
        if heard is not None:
            self._react(heard, user, live=live)

    def _may(self, act: Act, user: User) -> bool:
        own = self.channel.connection.client_id
        if act.kind == "speak" and (own is None or user.id == own):
            return True
        acts = [act] if act.also is None else [act, replace(act, kind=act.also, also=None)]
        return all(self._serving.policy(each, user) for each in acts)

    def _refuse(self, message: Inbound) -> None:
        """Tell who asked why that is not believed, where the wire has words for it."""
        said = self._wire.refusal(message) if isinstance(self._wire, RefusingAgent) else None
        if said is not None and self._tasks is not None:
            ref = RunRef(run_id=f"refused-{message.serial}", input_id=None)
            orphan = Orphan(ref=ref, appends=(), publish=(said,))
            self._tasks.start_soon(close_orphan, self.channel, orphan)

    def _react(self, heard: Heard, user: User, *, live: bool) -> None:
        event_id = heard.event_id
        if heard.event == "input" and event_id is not None:
            if event_id not in self._begun:
                _remember(self._users, event_id, user)
            if event_id in self._awaited:
                self._awaited[event_id].set()
            if live and self._serving.listens and self._tasks is not None:
                self._tasks.start_soon(self._begin_soon, event_id)
        elif heard.event == "cancel" and live:
            self._cancel(heard.ref)
        elif heard.event == "run-suspend" and heard.ref.run_id in self._early:
            assert self._tasks is not None
            self._tasks.start_soon(self._begin_soon, self._early.pop(heard.ref.run_id))
        elif heard.event in {"run-start", "run-resume"} and heard.ref.run_id is not None:
            _remember(self._speakers, heard.ref.run_id, user.id)

    def _cancel(self, ref: RunRef) -> None:
        for served in self._runs.values():
            if ref.means(served.ref):
                served.active.stop()
                return
        waiting = self._wire.suspended(ref)
        if waiting is not None and self._tasks is not None:
            self._tasks.start_soon(self._close_run, waiting, "cancelled")

    async def _judge_late(self, message: Inbound) -> None:
        """Read back until it is known whose run an answer or a cancel is about."""
        for _ in range(self._serving.pages):
            if not self._unjudged or not await self._load_older(live=True):
                break
        if message in self._unjudged:
            self._refuse(message)
        self._unjudged.clear()

    async def _load_older(self, *, live: bool = False) -> bool:
        has_read = await self._reader.load_older()
        unjudged, self._unjudged = self._unjudged, []
        for message in unjudged:
            self._reader.take(message, live=live)
        return has_read

    # Runs --------------------------------------------------------------------------------------

    async def _begin_soon(self, event_id: str) -> None:
        """Begin when the frame is done: the parts of a message come one by one in one frame."""
        for _ in range(self._serving.pages):
            if not self._wire.lacks_run(event_id) or not await self._load_older():
                break
        steer = self._wire.steer_of(event_id) if isinstance(self._wire, SteeringAgent) else None
        if steer is None:
            self.begin(event_id)
        elif (served := self._runs.get(steer.run_id)) is not None and served.carrier is not None:
            served.carrier.steer(steer)

    async def _try_to_serve(self, task: RunTask, user: User) -> None:
        try:
            await self._serve(task, user)
        except Exception:  # what one input does must not end the other runs
            log.exception(
                "input %s on %s could not be served", task.ref.input_id, self.channel.name
            )
        finally:
            self._serves -= 1
            if not self._serves:
                self._idle.set()

    async def _serve(self, task: RunTask, user: User) -> None:
        run_id = task.ref.run_id
        assert run_id is not None
        for _ in range(self._serving.pages):
            if not self._wire.needs_older(task) or not await self._load_older():
                break
        while run_id in self._runs:  # it waits, and that is not acknowledged yet
            await self._runs[run_id].over.wait()
        if self._is_leaving:
            return
        active = self._agent.start(
            RunRequest(
                chat_id=self.chat_id,
                messages=self._wire.prompt(task),
                trigger=task.trigger,
                message_id=task.ref.message_id,
                user=user,
                run_id=run_id,
                response_message_id=task.response_message_id,
            )
        )
        served = self._runs[run_id] = _Served(active, task.ref)
        _remember(self._ours, run_id, None)
        if self._wire.is_cancelled(task):
            active.stop()
        self._mood.set()
        served.carrier = carrier = RunCarrier(
            active,
            lambda: self._wire.speaker(task),
            self.channel,
            window_s=self._serving.window_s,
            on_speech=lambda: self._spoke(served),
        )
        try:
            await carrier.carry()
        finally:
            del self._runs[run_id]
            served.over.set()
            self._mood.set()

    def _spoke(self, served: _Served) -> None:
        served.has_spoken = True
        self._mood.set()

    async def _stop_all(self) -> None:
        self._is_leaving = True
        for served in self._runs.values():
            served.active.stop("the agent closed")
        await self._idle.wait()

    # Presence ----------------------------------------------------------------------------------

    async def _show(self) -> None:
        """Show what the agent is doing, whenever that has changed."""
        while True:
            await self._mood.wait()
            self._mood.clear()
            status = "online"
            if self._runs:
                is_speaking = any(served.has_spoken for served in self._runs.values())
                status = "streaming" if is_speaking else "thinking"
            if status != self._shown:
                self._shown = status
                try:
                    await self.channel.present(_shown_as(status))
                except TransportError as error:
                    log.warning("unable to show presence on %s: %s", self.channel.name, error)

    def _on_presence(self) -> None:
        """Close the runs of an agent of our name that is gone, now that nobody else is left."""
        own, connection = self.channel.connection.client_id, self.channel.connection.connection_id
        if own is None or self._tasks is None or self._reader.is_held:
            return
        for member in self.channel.members():
            if member.client_id == own and member.connection_id != connection:
                return
        for ref in self._wire.active_runs():
            if ref.run_id is None or ref.run_id in self._ours:
                continue
            if self._speakers.get(ref.run_id) == own:
                _remember(self._ours, ref.run_id, None)
                self._tasks.start_soon(self._close_run, ref, "error")

    async def _close_run(self, ref: RunRef, reason: Literal["cancelled", "error"]) -> None:
        await close_orphan(self.channel, self._wire.orphan(ref, reason))


def _shown_as(status: str) -> dict[str, str]:
    # `type` is how clients of ably-ai-sdk-transport tell an agent from a person.
    return {"type": "agent", "status": status}


def _remember(known: dict[str, V], key: str, value: V) -> None:
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
