"""Decides what an agent believes of a channel: nothing is folded before its author may do it.

Rule: what is about a run that has not been read waits until older history tells whose run it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from ...agent.run import User
from ...codecs.ably.operations import Inbound
from .channel import AblyChannel
from .orphans import refusal_of
from .policy import Policy, user_of
from .wire import Act, AgentWire, Heard, Orphan

__all__ = ["Judge"]

log = logging.getLogger(__name__)


class Judge:
    """What is believed on one channel.

    Args:
        channel: Where.
        wire: The agent's end; told only what is believed.
        policy: Who may do what.
        on_unknown: Called with a live message about a run that has not been read.
        tell: Publishes why something is not believed.
    """

    def __init__(
        self,
        channel: AblyChannel,
        wire: AgentWire,
        policy: Policy,
        *,
        on_unknown: Callable[[Inbound], None],
        tell: Callable[[Orphan], None],
    ) -> None:
        self._channel = channel
        self._wire = wire
        self._policy = policy
        self._on_unknown = on_unknown
        self._tell = tell
        self._unjudged: list[Inbound] = []

    @property
    def waits(self) -> bool:
        """Whether messages wait until it is known what they are about."""
        return bool(self._unjudged)

    def hear(self, message: Inbound, *, live: bool) -> tuple[Heard, User] | None:
        """Fold a message if it is believed; give what it says, if that is new, and who said it."""
        act = self._wire.act(message)
        if act is None:
            return None
        if not act.is_known:
            self._unjudged.append(message)
            if live:
                self._on_unknown(message)
            return None
        user = user_of(message)
        if not self.may(act, user):
            log.info("%s by %r on %s ignored", act.kind, user.id, self._channel.name)
            return None
        if live:
            self._refuse(message)
        heard = self._wire.feed(message, live=live)
        return None if heard is None else (heard, user)

    def may(self, act: Act, user: User) -> bool:
        """Whether `user` may do `act`."""
        if act.kind == "speak":
            own = self._channel.connection.client_id
            if own is None or user.id == own:
                return True
        acts = [act] if act.also is None else [act, replace(act, kind=act.also, also=None)]
        return all(self._policy(each, user) for each in acts)

    def is_agent(self, client_id: str | None) -> bool:
        """Whether the words of this client id count as ours."""
        return self.may(Act(kind="speak"), User(id=client_id))

    def take_unjudged(self) -> list[Inbound]:
        """Give what waits, to be heard again."""
        unjudged, self._unjudged = self._unjudged, []
        return unjudged

    def give_up(self, message: Inbound) -> None:
        """Refuse the message if it still waits, and forget whatever waits."""
        if message in self._unjudged:
            self._refuse(message)
        self._unjudged.clear()

    def _refuse(self, message: Inbound) -> None:
        """Tell who asked why that is not believed, where the wire has words for it."""
        orphan = refusal_of(self._wire, message)
        if orphan is not None:
            self._tell(orphan)
