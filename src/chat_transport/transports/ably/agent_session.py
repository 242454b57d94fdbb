"""An agent's hold on one chat: reads its channel, decides what to believe, and serves its runs.

Rule: whatever somebody publishes is judged before it is folded; a stop reaches the handler in the
channel's listener, without waiting for anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
from anyio.abc import TaskGroup

from ..._tasks import open_task_group
from ..._waiters import Waiters
from ...agent.run import RunRequest, User
from ...agent.runtime import ActiveRun, Agent
from ...codecs.ably.operations import Inbound
from ...errors import TransportError
from .again import adopted
from .channel import AblyChannel
from .channel_reader import ChannelReader
from .left_runs import LeftRuns
from .orphans import close_orphan, decline, refusal_of
from .policy import user_of
from .prompt_reading import read_prompt
from .remembered import remember
from .replicas import STANDBY_S, Replicas
from .run_carrier import RunCarrier
from .serving import InHand, Serving, not_found
from .shown_status import ShownStatus
from .wire import Act, AgentWire, Heard, RunRef, RunTask
from .wire_abilities import SteeringAgent

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
        self._claims: dict[str, asyncio.Event] = {}
        self._begun: dict[str, str] = {}
        self._early: dict[str, str] = {}
        self._left = LeftRuns(channel, channel.connection.client_id)
        self._users: dict[str, User] = {}
        self._unjudged: list[Inbound] = []
        self._heard = Waiters()
        self._tasks: TaskGroup | None = None
        self._in_hand = InHand()
        self._is_leaving = False
        self._replicas = Replicas(
            channel,
            lambda name: self._may(Act(kind="speak"), User(id=name)),
            listens=serving.listens,
        )
        self._status = ShownStatus(channel, since=self._replicas.since)

    @property
    def is_idle(self) -> bool:
        """Whether no run is under way here, or about to begin."""
        return self._in_hand.is_empty

    async def drain(self) -> None:
        """Wait until no run is under way here, and all that was said is on the channel."""
        await self._in_hand.wait_until_empty()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Attach, read the newest history, show presence, close what a dead agent left.

        Leaving the block stops the runs, tells readers, and leaves presence.
        """
        async with self._reader.open(), self.channel.watching(self._on_presence):
            async with open_task_group() as self._tasks:
                await self._reader.begin()
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
            raise not_found(event_id, self.channel.name, self._serving.locate_s)

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
            self._in_hand.add()
            user = self._users.pop(event_id, User())
            self._tasks.start_soon(self._serve_counted, event_id, task, user)
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
        self._heard.wake()

    def _may(self, act: Act, user: User) -> bool:
        own = self.channel.connection.client_id
        if act.kind == "speak" and (own is None or user.id == own):
            return True
        acts = [act] if act.also is None else [act, replace(act, kind=act.also, also=None)]
        return all(self._serving.policy(each, user) for each in acts)

    def _refuse(self, message: Inbound) -> None:
        """Tell who asked why that is not believed, where the wire has words for it."""
        orphan = refusal_of(self._wire, message)
        if orphan is not None and self._tasks is not None:
            self._tasks.start_soon(close_orphan, self.channel, orphan)

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
        if steer is None and not self._leads():
            self._replicas.note(event_id)
        elif steer is None:
            self.begin(event_id)
        elif (served := self._runs.get(steer.run_id)) is not None and served.carrier is not None:
            served.carrier.steer(steer)

    async def _serve_counted(self, event_id: str, task: RunTask, user: User) -> None:
        try:
            await self._serve_in_turn(event_id, task, user)
        finally:
            self._in_hand.remove()

    async def _serve_in_turn(self, event_id: str, task: RunTask, user: User) -> None:
        """Serve the input unless another one about its run was first, and has answered it."""
        run_id = task.ref.run_id
        assert run_id is not None
        while (earlier := self._claims.get(run_id)) is not None:
            await earlier.wait()
            again = self._wire.resolve(event_id)
            if again is None or self._wire.answered_by(again) is not None:
                return
            task = again
        claim = self._claims[run_id] = asyncio.Event()
        try:
            await self._serve(run_id, task, user)
        except Exception:  # what one input does must not end the other runs
            log.exception(
                "input %s on %s could not be served", task.ref.input_id, self.channel.name
            )
            await decline(self.channel, self._wire.speaker(task))
        finally:
            del self._claims[run_id]
            claim.set()

    async def _serve(self, run_id: str, task: RunTask, user: User) -> None:
        past = self._serving.past
        prompt = await read_prompt(
            self._wire,
            task,
            self._load_older,
            pages=self._serving.pages,
            own=await past(self.chat_id) if past is not None else (),
        )
        if self._is_leaving:
            return
        active = self._agent.start(
            RunRequest(
                chat_id=self.chat_id,
                messages=prompt,
                trigger=task.trigger,
                message_id=task.ref.message_id,
                user=user,
                run_id=run_id,
                response_message_id=task.reply_id,
            )
        )
        served = self._runs[run_id] = _Served(active, task.ref)
        self._left.take(run_id)
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
            self._heard.wake()
            self._show_mood()

    def _spoke(self, served: _Served) -> None:
        served.has_spoken = True
        self._show_mood()

    def _show_mood(self) -> None:
        self._status.want_for([served.has_spoken for served in self._runs.values()])

    async def _stop_all(self) -> None:
        self._is_leaving = True
        for served in self._runs.values():
            served.active.stop("the agent closed")
        await self._in_hand.wait_until_empty()

    # Presence ----------------------------------------------------------------------------------

    def _on_presence(self) -> None:
        """See to the runs of an agent of our name that is gone, now that nobody else is left."""
        if self._tasks is None or self._reader.is_held:
            return
        connection_id = self.channel.connection.connection_id
        for ref in self._left.found(self._wire.active_runs(), connection_id):
            self._tasks.start_soon(self._take_over, ref)
        for event_id in self._replicas.inherited(connection_id):
            self._tasks.start_soon(self._begin_soon, event_id)
        self._heard.wake()

    async def _take_over(self, ref: RunRef) -> None:
        """Run the handler of a left run again, or end the run as failed."""
        is_wanted = self._serving.left_runs == "again"
        found = await adopted(self._wire, ref, self._load_older) if is_wanted else None
        if found is None:
            await close_orphan(self.channel, self._wire.orphan(ref, "error"))
            return
        event_id, task = found
        await close_orphan(self.channel, replace(self._wire.orphan(ref, "error"), publish=()))
        self._in_hand.add()
        await self._serve_counted(event_id, task, self._users.pop(event_id, User()))
