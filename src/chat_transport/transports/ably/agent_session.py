"""An agent's hold on one chat: reads its channel, decides what to believe, and serves its runs.

Rule: whatever somebody publishes is judged before it is folded; a stop reaches the handler in the
channel's listener, without waiting for anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskGroup

from ..._tasks import open_task_group
from ..._waiters import Waiters
from ...agent.run import RunRequest, User
from ...agent.runtime import ActiveRun, Agent
from ...codecs.ably.operations import Inbound
from ...errors import RequestRejected, TransportError
from .again import AdoptingAgent
from .channel import AblyChannel, HistoryReader
from .feed import OrderedFeed
from .left_runs import LeftRuns
from .orphans import close_orphan
from .policy import user_of
from .remembered import remember
from .replicas import STANDBY_S, Replicas
from .run_carrier import RunCarrier
from .serving import Serving
from .shown_status import ShownStatus
from .wire import Act, AgentWire, Heard, RunRef, RunTask, SteeringAgent

__all__ = ["AgentSession", "Serving"]

log = logging.getLogger(__name__)

CLOSING_S = 10.0
"""Seconds for saying the ends of runs when the session is left."""


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
        self._feed = OrderedFeed(self._take)
        self._history: HistoryReader | None = None
        self._paging = asyncio.Lock()
        self._runs: dict[str, _Served] = {}
        self._begun: dict[str, str] = {}
        self._early: dict[str, str] = {}
        self._left = LeftRuns(channel, channel.connection.client_id)
        self._users: dict[str, User] = {}
        self._unjudged: list[Inbound] = []
        self._heard = Waiters()
        self._newest = ""
        self._tasks: TaskGroup | None = None
        self._replicas = Replicas(
            channel,
            lambda name: self._may(Act(kind="speak"), User(id=name)),
            listens=serving.listens,
        )
        self._status = ShownStatus(channel, since=self._replicas.since)
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether no run is under way here."""
        return not self._runs

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Attach, read the newest history, show presence, close what a dead agent left.

        Leaving the block stops the runs, tells readers, and leaves presence.
        """
        self._feed.hold()
        async with self.channel.listening(self), self.channel.watching(self._on_presence):
            async with open_task_group() as self._tasks:
                self._history = self.channel.history()
                page = await self._history.next_page()
                self._feed.release(list(reversed(page)))
                if self.channel.connection.client_id is not None:
                    await self._status.enter()
                    self._tasks.start_soon(self._status.show)
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
        with anyio.move_on_after(self._serving.locate_s):
            for _ in range(self._serving.pages):
                if self._wire.knows(event_id) and not self._wire.lacks_run(event_id):
                    break
                if not await self._load_older():
                    break
            await self._until(lambda: self._wire.knows(event_id))
        if not self._wire.knows(event_id):
            raise RequestRejected(
                f"unable to find input {event_id!r} on channel {self.channel.name!r} in"
                f" {self._serving.locate_s:g} s; publish it before the invocation is sent",
                status=404,
                code=104010,
            )

    async def answer(self, event_id: str) -> str | None:
        """As `begin`, for an invocation: the process that leads is given the time to be first."""
        with anyio.move_on_after(STANDBY_S):
            await self._until(lambda: self._leads() or self._is_answered(event_id))
        return self.begin(event_id)

    def _is_answered(self, event_id: str) -> bool:
        task = self._wire.resolve(event_id)
        return task is None or self._wire.answered_by(task) is not None

    def _leads(self) -> bool:
        return self._replicas.leads(self.channel.connection.connection_id)

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
            self._tasks.start_soon(self._try_to_serve, task, self._users.pop(event_id, User()))
        elif task.continues:
            self._early[run_id] = event_id  # answered before the run has said that it waits
            return run_id
        remember(self._begun, event_id, run_id)
        return run_id

    async def until_over(self, run_id: str) -> None:
        """Wait until a run has ended, or waits for somebody, whoever serves it."""
        await self._until(
            lambda: (
                run_id not in self._runs
                and all(ref.run_id != run_id for ref in self._wire.active_runs())
            )
        )

    async def _until(self, test: Callable[[], bool]) -> None:
        """Wait until something that was heard, or a presence that changed, makes it so."""
        while not test():
            await self._heard.wait()

    # From the channel --------------------------------------------------------------------------

    def on_message(self, message: Inbound) -> None:
        """Take a live message."""
        self._feed.give(message)

    def on_gap(self) -> None:
        """Read what was missed before going on; runs go on meanwhile."""
        if not self._feed.is_held and self._tasks is not None:
            self._feed.hold()
            self._tasks.start_soon(self._heal)

    def on_lost(self, error: TransportError) -> None:
        """Stop talking to nobody."""
        log.error("channel %s is lost: %s", self.channel.name, error)
        for served in self._runs.values():
            served.active.stop("the channel was lost")

    def _take(self, message: Inbound, live: bool) -> None:  # noqa: FBT001  # the feed's callback
        self._newest = max(self._newest, message.serial)
        try:
            self._judge(message, live=live)
        except Exception as error:  # noqa: BLE001  # what a stranger publishes must not stop us
            log.warning(
                "message %s on %s is not understood: %r", message.serial, self.channel.name, error
            )

    def _judge(self, message: Inbound, *, live: bool) -> None:
        act = self._wire.act(message)
        if act is None:
            return
        if not act.is_known:
            self._unjudged.append(message)
            if live and self._tasks is not None:
                self._tasks.start_soon(self._judge_late)
            return
        user = user_of(message)
        if not self._may(act, user):
            log.info("%s by %r on %s ignored", act.kind, user.id, self.channel.name)
            return
        heard = self._wire.feed(message, live=live)
        if heard is not None:
            self._react(heard, user, live=live)
        self._heard.wake()

    def _may(self, act: Act, user: User) -> bool:
        own = self.channel.connection.client_id
        if act.kind == "speak" and (own is None or user.id == own):
            return True
        return self._serving.policy(act, user)

    def _react(self, heard: Heard, user: User, *, live: bool) -> None:
        event_id = heard.event_id
        if heard.event == "input" and event_id is not None:
            if event_id not in self._begun:
                remember(self._users, event_id, user)
            if live and self._serving.listens and self._tasks is not None:
                self._tasks.start_soon(self._begin_soon, event_id)
        elif heard.event == "cancel" and live:
            self._cancel(heard.ref)
        elif heard.event == "run-suspend" and heard.ref.run_id in self._early:
            assert self._tasks is not None
            self._tasks.start_soon(self._begin_soon, self._early.pop(heard.ref.run_id))
        elif heard.event in {"run-start", "run-resume"}:
            self._left.note_speaker(heard.ref.run_id, user.id)

    def _cancel(self, ref: RunRef) -> None:
        for served in self._runs.values():
            if ref.means(served.ref):
                served.active.stop()
                return
        waiting = self._wire.suspended(ref)
        if waiting is not None and self._tasks is not None:
            orphan = self._wire.orphan(waiting, "cancelled")
            self._tasks.start_soon(close_orphan, self.channel, orphan)

    async def _judge_late(self) -> None:
        """Read back until it is known whose run an answer or a cancel is about."""
        for _ in range(self._serving.pages):
            if not self._unjudged or not await self._load_older(live=True):
                break
        self._unjudged.clear()

    async def _load_older(self, *, live: bool = False) -> bool:
        async with self._paging:
            assert self._history is not None
            if self._history.is_exhausted:
                return False
            page = await self._history.next_page()
            for message in reversed(page):
                self._take(message, False)
            unjudged, self._unjudged = self._unjudged, []
            for message in unjudged:
                self._take(message, live)
            return bool(page)

    async def _heal(self) -> None:
        floor = min(filter(None, [self._wire.oldest_open(), self._newest]), default="")
        missed: list[Inbound] = []
        reader = self.channel.history()
        try:
            while page := await reader.next_page():
                missed.extend(page)
                if page[-1].serial <= floor:
                    break
        except TransportError as error:
            log.warning("unable to read what was missed on %s: %s", self.channel.name, error)
        self._feed.release(reversed(missed), live=True)

    # Runs --------------------------------------------------------------------------------------

    async def _begin_soon(self, event_id: str) -> None:
        """Begin when the frame is done: the parts of a message come one by one in one frame."""
        for _ in range(self._serving.pages):
            if not self._wire.lacks_run(event_id) or not await self._load_older():
                break
        steer = self._wire.steer_of(event_id) if isinstance(self._wire, SteeringAgent) else None
        if steer is None and not self._leads():
            self._replicas.note(event_id)
        elif steer is None:
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

    async def _serve(self, task: RunTask, user: User) -> None:
        run_id = task.ref.run_id
        assert run_id is not None
        if run_id in self._runs:  # it waits, and that is not acknowledged yet
            await self._runs[run_id].over.wait()
        for _ in range(self._serving.pages):
            if not self._wire.needs_older(task) or not await self._load_older():
                break
        active = self._agent.start(
            RunRequest(
                chat_id=self.chat_id,
                messages=self._wire.prompt(task),
                trigger=task.trigger,
                message_id=task.ref.message_id,
                user=user,
                run_id=run_id,
                response_message_id=task.reply_id,
            )
        )
        served = self._runs[run_id] = _Served(active, task.ref)
        self._left.take(run_id)
        self._idle.clear()
        if self._wire.is_cancelled(task):
            active.stop()
        self._show_mood()
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
            if not self._runs:
                self._idle.set()
            self._heard.wake()
            self._show_mood()

    def _spoke(self, served: _Served) -> None:
        served.has_spoken = True
        self._show_mood()

    def _show_mood(self) -> None:
        self._status.want_for([served.has_spoken for served in self._runs.values()])

    async def _stop_all(self) -> None:
        for served in self._runs.values():
            served.active.stop("the agent closed")
        await self._idle.wait()

    # Presence ----------------------------------------------------------------------------------

    def _on_presence(self) -> None:
        """See to the runs of an agent of our name that is gone, now that nobody else is left."""
        if self._tasks is None or self._feed.is_held:
            return
        connection_id = self.channel.connection.connection_id
        for ref in self._left.found(self._wire.active_runs(), connection_id):
            self._tasks.start_soon(self._take_over, ref)
        for event_id in self._replicas.inherited(connection_id):
            self._tasks.start_soon(self._begin_soon, event_id)
        self._heard.wake()

    async def _take_over(self, ref: RunRef) -> None:
        """Run the handler of a left run again, or end the run as failed."""
        found = None
        if self._serving.left_runs == "again" and isinstance(self._wire, AdoptingAgent):
            while (found := self._wire.adopt(ref)) is None:
                if not await self._load_older():
                    break
        if found is None:
            await close_orphan(self.channel, self._wire.orphan(ref, "error"))
            return
        event_id, task = found
        await close_orphan(self.channel, replace(self._wire.orphan(ref, "error"), publish=()))
        await self._try_to_serve(task, self._users.pop(event_id, User()))
