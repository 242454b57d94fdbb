"""What an agent believes: nothing is folded before its author may do it."""

from __future__ import annotations

from typing import Any

import pytest

from chat_transport.agent.run import User
from chat_transport.codecs.ably.operations import Inbound, OutboundMessage, Publish
from chat_transport.transports.ably.judge import Judge
from chat_transport.transports.ably.policy import OwnerPolicy
from chat_transport.transports.ably.wire import Act, Heard, RunRef

SAID = Heard(ref=RunRef(run_id="r", input_id="i"))


class Channel:
    name = "ai:x"

    def __init__(self, client_id: str | None = "agent") -> None:
        self.client_id = client_id
        self.connection = self


class Wire:
    """What each message wants, by its name; folds whatever it is given."""

    def __init__(self, **acts: Act) -> None:
        self.acts = acts
        self.fed: list[str | None] = []

    def act(self, message: Inbound) -> Act | None:
        return self.acts.get(message.name or "")

    def feed(self, message: Inbound, *, live: bool) -> Heard:
        self.fed.append(message.name)
        return SAID

    def refusal(self, message: Inbound) -> Publish:
        return Publish(messages=(OutboundMessage(name=f"no-{message.name}"),))


def message(name: str, by: str | None = "ann") -> Inbound:
    return Inbound(
        action="create", serial="1", version="1", name=name, data=None, extras={}, client_id=by
    )


class Court:
    def __init__(self, wire: Wire, **policy: Any) -> None:
        self.unknown: list[Inbound] = []
        self.told: list[Any] = []
        self.judge = Judge(
            Channel(),  # type: ignore[arg-type]  # a fake
            wire,  # type: ignore[arg-type]  # a fake
            OwnerPolicy(**policy),
            on_unknown=self.unknown.append,
            tell=self.told.append,
        )


def test_what_its_author_may_do_is_folded_and_nothing_else() -> None:
    wire = Wire(mine=Act(kind="cancel", owner="ann"), theirs=Act(kind="cancel", owner="bob"))
    judge = Court(wire).judge
    assert judge.hear(message("mine"), live=False) == (SAID, User(id="ann"))
    assert judge.hear(message("theirs"), live=False) is None
    assert judge.hear(message("foreign"), live=False) is None
    assert wire.fed == ["mine"]


def test_a_message_that_wants_two_things_must_be_allowed_both() -> None:
    wire = Wire(both=Act(kind="start", owner="bob", also="answer"))
    assert Court(wire).judge.hear(message("both"), live=True) is None


def test_what_is_about_an_unread_run_waits_and_is_refused_if_it_stays_so() -> None:
    wire = Wire(lost=Act(kind="approve", is_known=False))
    court = Court(wire)
    lost = message("lost")
    assert court.judge.hear(lost, live=False) is None
    assert court.unknown == []  # history is read on anyway
    assert court.judge.hear(lost, live=True) is None
    assert court.unknown == [lost]
    assert court.judge.waits
    assert court.judge.take_unjudged() == [lost, lost]
    assert not court.judge.waits
    court.judge.give_up(lost)
    assert court.told == []  # it has been judged meanwhile
    court.judge.hear(lost, live=True)
    court.judge.give_up(lost)
    assert [each.publish[0].messages[0].name for each in court.told] == ["no-lost"]
    assert not court.judge.waits


@pytest.mark.parametrize(("name", "counts"), [("agent", True), ("twin", True), ("eve", False)])
def test_whose_words_count_as_the_agents(name: str, *, counts: bool) -> None:
    assert Court(Wire(), agents={"twin"}).judge.is_agent(name) is counts
