"""An agent's hold on one chat: reads its channel, and decides which input is answered, and when.

Rule: whatever somebody publishes is judged before it is folded; a stop reaches the handler in the
channel's listener, without waiting for anything.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from ..._tasks import open_task_group
from ..._waiters import Waiters
from ...agent.run import User
from ...agent.runtime import Agent
from ...codecs.ably.operations import Inbound
from ...errors import TransportError
from .again import adopted
from .channel import AblyChannel
from .channel_reader import ChannelReader
from .judge import Judge
from .left_runs import LeftRuns
from .orphans import close_orphan
from .policy import agent_name
from .remembered import remember
from .replicas import STANDBY_S, Replicas
from .served_runs import ServedRuns
from .serving import Serving, not_found
from .shown_status import ShownStatus
from .wire import AgentWire, Heard, Orphan, RunRef
from .wire_abilities import ElectingAgent, SteeringAgent

__all__ = ["AgentSession", "Serving"]

log = logging.getLogger(__name__)

CLOSING_S = 10.0
"""Seconds for saying the ends of runs when the session is left."""


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
        self._serving = serving
        self._reader = ChannelReader(channel, self)
        self._judge = Judge(
            channel, wire, serving.policy, on_unknown=self._on_unknown, tell=self._close
        )
        self._served = ServedRuns(
            channel,
            wire,
            agent,
            chat_id=chat_id,
            serving=serving,
            load_older=self._load_older,
            on_change=self._on_runs,
            may_meet=lambda: self._replicas.may_meet(channel.connection.connection_id),
        )
        self._begun: dict[str, str] = {}
        self._early: dict[str, str] = {}
        self._left = LeftRuns(
            channel, channel.connection.client_id, inherits=serving.inherits, leads=self._leads
        )
        self._users: dict[str, User] = {}
        self._heard = Waiters()
        self._tasks: TaskGroup | None = None
        if isinstance(wire, ElectingAgent):
            wire.stand_for(agent_name(serving.policy, channel.connection.client_id))
        self._replicas = Replicas(channel, self._judge.is_agent, listens=serving.listens)
        self._status = ShownStatus(channel, since=self._replicas.since)

    @property
    def is_idle(self) -> bool:
        """Whether no run is under way here, or about to begin."""
        return self._served.in_hand.is_empty

    async def drain(self) -> None:
        """Wait until no run is under way here, and all that was said is on the channel."""
        await self._served.in_hand.wait_until_empty()

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
                        await self._served.leave()
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
            self._left.take(run_id)
            self._served.in_hand.add()
            user = self._users.pop(event_id, User())
            self._tasks.start_soon(self._served.serve, event_id, task, user)
        elif task.continues:
            self._early[run_id] = event_id  # answered before the run has said that it waits
            return run_id
        remember(self._begun, event_id, run_id)
        return run_id

    async def until_over(self, run_id: str) -> None:
        """Wait until a run has ended, or waits for somebody, whoever serves it."""
        await self._until(
            lambda: (
                run_id not in self._served
                and all(ref.run_id != run_id for ref in self._wire.active_runs())
            )
        )

    async def _until(self, test: Callable[[], bool]) -> None:
        """Wait until something that was heard, or a presence that changed, makes it so."""
        while not test():
            await self._heard.wait()

    # From the channel --------------------------------------------------------------------------

    def take(self, message: Inbound, *, live: bool) -> None:
        """Judge a message, fold it if it is believed, and do what it asks."""
        said = self._judge.hear(message, live=live)
        if said is not None:
            self._react(*said, live=live)
        self._heard.wake()

    def oldest_open(self) -> str | None:
        """Give the serial from which an active run may still change."""
        return self._wire.oldest_open()

    def on_healed(self, error: TransportError | None) -> None:
        """Runs went on meanwhile."""

    def on_lost(self, error: TransportError) -> None:
        """Stop talking to nobody."""
        log.error("channel %s is lost: %s", self.channel.name, error)
        self._served.stop_all("the channel was lost")

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
            self._served.look(heard.ref.run_id)
        elif heard.event is None and not heard.chunks:  # the same again, by another process
            self._served.look(heard.ref.run_id)

    def _cancel(self, ref: RunRef) -> None:
        if self._served.stop(ref):
            return
        waiting = self._wire.suspended(ref)
        if waiting is not None:
            self._close(self._wire.orphan(waiting, "cancelled"))

    def _close(self, orphan: Orphan) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(close_orphan, self.channel, orphan)

    def _on_unknown(self, message: Inbound) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(self._judge_late, message)

    async def _judge_late(self, message: Inbound) -> None:
        """Read back until it is known whose run an answer or a cancel is about."""
        for _ in range(self._serving.pages):
            if not self._judge.waits or not await self._load_older(live=True):
                break
        self._judge.give_up(message)

    async def _load_older(self, *, live: bool = False) -> bool:
        has_read = await self._reader.load_older()
        for message in self._judge.take_unjudged():
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
        else:
            self._served.steer(steer)

    def _on_runs(self) -> None:
        self._status.want_for(self._served.moods())
        self._heard.wake()

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
        self._served.in_hand.add()
        await self._served.serve(event_id, task, self._users.pop(event_id, User()))
