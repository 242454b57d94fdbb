"""The runs of one chat that are served in this process, from their prompt to their end.

Rule: one input about a run at a time; what one input does never ends the other runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ...agent.run import RunRequest, User
from ...agent.runtime import ActiveRun, Agent
from ...messages import UIMessage
from .channel import AblyChannel
from .election import Candidacy
from .orphans import decline
from .prompt_reading import read_prompt
from .run_carrier import RunCarrier
from .serving import InHand, Serving
from .wire import AgentWire, RunRef, RunTask
from .wire_abilities import ElectingAgent, Steer

__all__ = ["ServedRuns"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Served:
    active: ActiveRun
    ref: RunRef
    carrier: RunCarrier
    has_spoken: bool = False


class ServedRuns:
    """What is served on one channel.

    Args:
        channel: Where it is said.
        wire: The agent's end of the wire.
        agent: Runs the handler.
        chat_id: The chat as the handler knows it.
        serving: How.
        load_older: Reads one older page of the channel; False if there is none.
        on_change: Called when a run begins, speaks or ends.
        may_meet: Whether another process may begin the same run, and does not know of us yet.
    """

    def __init__(
        self,
        channel: AblyChannel,
        wire: AgentWire,
        agent: Agent,
        *,
        chat_id: str,
        serving: Serving,
        load_older: Callable[[], Awaitable[bool]],
        on_change: Callable[[], None],
        may_meet: Callable[[], bool],
    ) -> None:
        self.in_hand = InHand()
        self._channel = channel
        self._wire = wire
        self._agent = agent
        self._chat_id = chat_id
        self._serving = serving
        self._load_older = load_older
        self._on_change = on_change
        self._may_meet = may_meet
        self._runs: dict[str, _Served] = {}
        self._claims: dict[str, asyncio.Event] = {}
        self._is_leaving = False

    def __contains__(self, run_id: str) -> bool:
        """Whether this run is under way here."""
        return run_id in self._runs

    def moods(self) -> list[bool]:
        """Give for each run whether it has shown the user something."""
        return [served.has_spoken for served in self._runs.values()]

    def stop(self, ref: RunRef) -> bool:
        """Stop the run that is meant, as its user wished; False if it is not served here."""
        for served in self._runs.values():
            if ref.means(served.ref):
                served.active.stop()
                return True
        return False

    def stop_all(self, reason: str) -> None:
        """Stop every run."""
        for served in self._runs.values():
            served.active.stop(reason)

    async def leave(self) -> None:
        """Stop every run, begin no other, and wait until all of it is said."""
        self._is_leaving = True
        self.stop_all("the agent closed")
        await self.in_hand.wait_until_empty()

    def look(self, run_id: str | None) -> None:
        """See whether another process began this run before us, after something was read of it."""
        served = self._runs.get(run_id or "")
        if served is not None:
            served.carrier.look()

    def steer(self, steer: Steer) -> None:
        """Hand a run what the user says to it, if it is served here."""
        served = self._runs.get(steer.run_id)
        if served is not None:
            served.carrier.steer(steer)

    async def serve(self, event_id: str, task: RunTask, user: User) -> None:
        """Serve the input, which was counted in hand, until its run is over on the channel too."""
        try:
            await self._serve_in_turn(event_id, task, user)
        finally:
            self.in_hand.remove()

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
            prompt = await self._prompt(task)
            if not self._is_leaving:
                await self._carry(run_id, task, user, prompt)
        except Exception:  # what one input does must not end the other runs
            log.exception(
                "input %s on %s could not be served", task.ref.input_id, self._channel.name
            )
            await decline(self._channel, self._wire.speaker(task))
        finally:
            del self._claims[run_id]
            claim.set()

    async def _prompt(self, task: RunTask) -> Sequence[UIMessage]:
        past = self._serving.past
        own = await past(self._chat_id) if past is not None else ()
        return await read_prompt(
            self._wire, task, self._load_older, pages=self._serving.pages, own=own
        )

    async def _carry(
        self, run_id: str, task: RunTask, user: User, prompt: Sequence[UIMessage]
    ) -> None:
        active = self._agent.start(
            RunRequest(
                chat_id=self._chat_id,
                messages=prompt,
                trigger=task.trigger,
                message_id=task.ref.message_id,
                user=user,
                run_id=run_id,
                response_message_id=task.reply_id,
            )
        )
        carrier = RunCarrier(
            active,
            lambda: self._wire.speaker(task),
            self._channel,
            window_s=self._serving.window_s,
            on_speech=lambda: self._spoke(run_id),
            candidacy=self._candidacy(task),
        )
        self._runs[run_id] = _Served(active, task.ref, carrier)
        if self._wire.is_cancelled(task):
            active.stop()
        self._on_change()
        try:
            await carrier.carry()
        finally:
            del self._runs[run_id]
            self._on_change()

    def _candidacy(self, task: RunTask) -> Candidacy | None:
        wire = self._wire
        if not isinstance(wire, ElectingAgent):
            return None
        return Candidacy(lambda: wire.announcements(task), waits=self._may_meet())

    def _spoke(self, run_id: str) -> None:
        self._runs[run_id].has_spoken = True
        self._on_change()
