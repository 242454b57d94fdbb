"""Who may do what to an agent: a function of what Ably vouches for.

Rule: identity is the publisher's clientId and role is `extras.userClaim`, both put there by Ably
and the token server; nothing that a client writes about itself counts.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from ...agent.run import User
from ...codecs.ably.operations import Inbound
from .wire import Act

__all__ = ["OwnerPolicy", "Policy", "agent_name", "user_of"]


class Policy(Protocol):
    """Says whether an act is allowed; what is not is ignored, as if it had not been sent."""

    def __call__(self, act: Act, user: User) -> bool:
        """Whether `user` may do `act`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerPolicy:
    """The safe default: whoever started a run may stop, steer and answer it, and nobody else.

    Attributes:
        start_roles: Roles that may ask for a reply; None lets everybody who may publish.
        trusted_roles: Roles that may do everything to everybody's runs, such as `moderator`.
        agents: Client ids whose words count as the agent's, beside our own.
    """

    start_roles: AbstractSet[str] | None = None
    trusted_roles: AbstractSet[str] = field(default_factory=frozenset[str])
    agents: AbstractSet[str] = field(default_factory=frozenset[str])

    def __call__(self, act: Act, user: User) -> bool:
        """Whether `user` may do `act`."""
        if act.kind == "speak":
            return user.id in self.agents
        if user.role is not None and user.role in self.trusted_roles:
            return True
        if act.kind == "start":
            return self.start_roles is None or user.role in self.start_roles
        # Anonymous clients cannot be told apart: nobody's runs are everybody's.
        return act.owner is None or act.owner == user.id


def agent_name(policy: Policy, client_id: str | None) -> str:
    """Give the one name that all processes of an agent have, whatever their client ids.

    Only an `OwnerPolicy` says which those are; with another policy it is our own client id.
    """
    agents = policy.agents if isinstance(policy, OwnerPolicy) else ()
    return min((name for name in (client_id, *agents) if name is not None), default="")


def user_of(message: Inbound) -> User:
    """Give who published a message, as Ably and the token server vouch for it."""
    return User(id=message.client_id, role=message.user_claim)
