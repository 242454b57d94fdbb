"""Who may do what, by what Ably vouches for."""

from __future__ import annotations

from typing import Any

import pytest

from chat_transport.agent.run import User
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.transports.ably.policy import OwnerPolicy, agent_name, user_of
from chat_transport.transports.ably.wire import Act

OWN = User(id="ann")
OTHER = User(id="bob", role="user")
BOSS = User(id="mod", role="moderator")


@pytest.mark.parametrize("kind", ["cancel", "approve", "answer", "steer"])
def test_only_the_owner_may_act_on_a_run(kind: Any) -> None:
    act = Act(kind=kind, run_id="r", owner="ann")
    assert OwnerPolicy()(act, OWN)
    assert not OwnerPolicy()(act, OTHER)
    assert not OwnerPolicy()(act, User())
    assert OwnerPolicy(trusted_roles={"moderator"})(act, BOSS)
    assert not OwnerPolicy(trusted_roles={"moderator"})(act, OTHER)


def test_runs_of_anonymous_clients_are_everybodys() -> None:
    assert OwnerPolicy()(Act(kind="cancel", run_id="r"), User())


def test_starting_can_be_bound_to_a_role() -> None:
    act = Act(kind="start")
    assert OwnerPolicy()(act, User())
    assert OwnerPolicy(start_roles={"user"})(act, OTHER)
    assert not OwnerPolicy(start_roles={"user"})(act, OWN)


def test_only_named_agents_speak_for_the_agent() -> None:
    act = Act(kind="speak", run_id="r")
    assert not OwnerPolicy(trusted_roles={"moderator"})(act, BOSS)
    assert OwnerPolicy(agents={"js-agent"})(act, User(id="js-agent"))


@pytest.mark.parametrize(
    ("extras", "role"),
    [(None, None), ({"userClaim": "user"}, "user"), ({"userClaim": 7}, None), ({"ai": {}}, None)],
)
def test_a_user_is_who_ably_says(extras: Any, role: str | None) -> None:
    message = Inbound(action="create", serial="1", version="1", client_id="ann", extras=extras)
    assert user_of(message) == User(id="ann", role=role)


def test_all_processes_of_an_agent_have_one_name() -> None:
    two = OwnerPolicy(agents=frozenset({"a", "b"}))
    assert agent_name(two, "a") == agent_name(two, "b") == "a"
    assert agent_name(OwnerPolicy(agents=frozenset({"a"})), "b") == "a"
    assert agent_name(lambda *_: True, "b") == "b"
    assert agent_name(OwnerPolicy(), None) == ""
