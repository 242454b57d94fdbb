"""Several processes of one agent: one answer to each input."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import Limits, RunningBroker, serve_broker
from chat_transport.chunks import TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.transport import MessageSeen, RunSeen
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    Invocation,
    OwnerPolicy,
)
from chat_transport.transports.ably.channel import Member
from chat_transport.transports.ably.replicas import Replicas

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"
KEY = "app.key:secret"


class Place:
    def __init__(self, *present: Member) -> None:
        self.present = list(present)

    def members(self) -> list[Member]:
        return self.present


def member(since: Any, connection_id: str, name: str = "agent") -> Member:
    return Member(name, {"status": "online", "since": since}, connection_id)


def replicas(place: Place, *, since: int = 20, listens: bool = True) -> Replicas:
    return Replicas(place, lambda name: name == "agent", listens=listens, now=lambda: since)


def test_alone_one_leads() -> None:
    assert replicas(Place()).leads("here")
    assert replicas(Place(member(20, "here"))).leads("here")


def test_whoever_has_listened_longest_leads_and_of_two_the_lower_connection() -> None:
    assert not replicas(Place(member(10, "there"))).leads("here")
    assert replicas(Place(member(30, "there"))).leads("here")
    assert replicas(Place(member(20, "there"))).leads("here")
    assert not replicas(Place(member(20, "a"))).leads("here")


def test_clients_and_agents_that_do_not_listen_do_not_count() -> None:
    others = [
        member(10, "x", "alice"),
        Member("agent", {"status": "online"}, "y"),
        Member("agent", None, "z"),
        member("early", "v"),
    ]
    assert replicas(Place(*others)).leads("here")


def test_who_does_not_listen_leads_only_where_nobody_does() -> None:
    deaf = replicas(Place(), listens=False)
    assert deaf.since is None
    assert deaf.leads("here")
    assert not replicas(Place(member(30, "there")), listens=False).leads("here")


def test_what_was_heard_is_inherited_once_by_who_leads_then() -> None:
    place = Place(member(10, "there"))
    next_one = replicas(place)
    next_one.note("e1")
    next_one.note("e2")
    assert next_one.inherited("here") == ()
    place.present.clear()
    assert next_one.inherited("here") == ["e1", "e2"]
    assert next_one.inherited("here") == ()


# ── over the broker ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def fleeting(anyio_backend: str) -> AsyncIterator[RunningBroker]:
    """A broker that forgets who is present at once when a socket dies."""
    limits = Limits(remain_present_ms=100, connection_state_ttl_ms=200)
    async with serve_broker([KEY], limits=limits) as running:
        yield running


def connection(broker: RunningBroker, name: str) -> AblyConnection:
    return AblyConnection(key=KEY, client_id=name, endpoint=broker.address, tls=False)


class Naming:
    """A handler that says its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 0

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.runs += 1
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=self.name)
        yield TextEnd(id="t")


async def present(agent: AblyAgent, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
    """Be there until cancelled."""
    async with agent:
        task_status.started()
        await anyio.sleep_forever()


async def until_both_are_seen(transport: AblyChatTransport, count: int) -> None:
    session = await transport.session(CHAT)
    while sum(isinstance(m.data, dict) for m in session.channel.members()) < count:
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("names", "policy"),
    [
        (("agent", "agent"), None),
        (("agent", "helper"), OwnerPolicy(agents=frozenset({"agent", "helper"}))),
    ],
)
async def test_of_two_agents_one_answers_and_the_other_when_it_is_gone(
    fleeting: RunningBroker, talk: Any, names: tuple[str, str], policy: OwnerPolicy | None
) -> None:
    first, second = Naming("first"), Naming("second")
    with anyio.fail_after(20):
        async with AblyChatTransport(connection(fleeting, "alice")) as transport:
            one = talk(transport, CHAT)

            gone = anyio.Event()

            async def elder(*, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
                own = connection(fleeting, names[0])
                async with AblyAgent(first, own, channels=[CHAT], policy=policy):
                    task_status.started()
                    await leaving.wait()
                gone.set()

            leaving = anyio.Event()
            own = connection(fleeting, names[1])
            async with anyio.create_task_group() as tasks:
                await tasks.start(elder)
                await tasks.start(present, AblyAgent(second, own, channels=[CHAT], policy=policy))
                await until_both_are_seen(transport, 2)
                for number in range(3):
                    request = await one.request("go", f"u{number}")
                    async with transport.send_messages(request) as stream:
                        async for _ in stream:
                            pass
                assert (first.runs, second.runs) == (3, 0)
                leaving.set()
                await gone.wait()
                request = await one.request("go", "u9")
                async with transport.send_messages(request) as stream:
                    async for _ in stream:
                        pass
                messages = await one.settled()
                session = await transport.session(CHAT)
                tasks.cancel_scope.cancel()
    assert [m.text for m in messages if m.role == "assistant"] == [*["first"] * 3, "second"]
    assert len(session.wire.conversation.runs()) == 4


async def test_a_process_that_is_invoked_leaves_the_answer_to_the_one_that_listens(
    fleeting: RunningBroker, talk: Any
) -> None:
    """As behind a load balancer: both are attached, and each invocation reaches one of them."""
    first, second = Naming("first"), Naming("second")
    async with (
        AblyAgent(first, connection(fleeting, "agent"), channels=["ai:*"]) as one_process,
        AblyAgent(second, connection(fleeting, "agent"), channels=["ai:*"]) as other_process,
    ):
        turns = [one_process, other_process, other_process, one_process]

        async def balanced(invocation: Invocation) -> None:
            await turns.pop(0).invoke(invocation.to_json())

        with anyio.fail_after(20):
            alice = AblyChatTransport(connection(fleeting, "alice"), invoke=balanced)
            async with alice as transport:
                one = talk(transport, CHAT)
                for number in range(4):
                    request = await one.request("go", f"u{number}")
                    async with transport.send_messages(request) as stream:
                        async for _ in stream:
                            pass
                session = await transport.session(CHAT)
                messages = await one.settled()
    assert (first.runs, second.runs) == (4, 0)
    assert len(session.wire.conversation.runs()) == 4
    assert len(messages) == 8


async def test_who_is_invoked_answers_if_the_one_that_leads_does_not(
    fleeting: RunningBroker, talk: Any
) -> None:
    """Somebody shows himself as an agent that listens, and does nothing."""
    handler = Naming("invoked")
    with anyio.fail_after(20):
        async with connection(fleeting, "agent") as idle:
            channel = idle.channel(CHAT)
            async with channel.listening(Deaf()):
                await channel.present({"status": "online", "since": 1})
                async with AblyAgent(
                    handler, connection(fleeting, "agent"), channels=["ai:*"]
                ) as agent:

                    async def invoke(invocation: Invocation) -> None:
                        await agent.invoke(invocation.to_json())

                    alice = AblyChatTransport(connection(fleeting, "alice"), invoke=invoke)
                    async with alice as transport:
                        one = talk(transport, CHAT)
                        request = await one.request("go", "u1")
                        async with transport.send_messages(request) as stream:
                            async for _ in stream:
                                pass
    assert handler.runs == 1


async def test_what_the_one_that_led_has_not_answered_is_answered_when_it_goes(
    fleeting: RunningBroker, talk: Any
) -> None:
    handler = Naming("next")
    with anyio.fail_after(20):
        async with connection(fleeting, "agent") as idle:
            channel = idle.channel(CHAT)
            async with channel.listening(Deaf()):
                await channel.present({"status": "online", "since": 1})
                own = connection(fleeting, "agent")
                async with (
                    AblyAgent(handler, own, channels=[CHAT]),
                    AblyChatTransport(connection(fleeting, "alice")) as transport,
                ):
                    one = talk(transport, CHAT)
                    request = await one.request("go", "u1")
                    async with transport.send_messages(request) as stream:
                        assert handler.runs == 0
                        await channel.absent()
                        async for _ in stream:
                            pass
    assert handler.runs == 1


class Deaf:
    """A listener that does nothing."""

    def on_message(self, message: object) -> None: ...

    def on_gap(self) -> None: ...

    def on_lost(self, error: object) -> None: ...


class Slow(Naming):
    """As a model: the first word comes a moment after it was asked."""

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        await anyio.lowlevel.checkpoint()
        async for chunk in super().__call__(run):
            yield chunk


@pytest.fixture
def unaware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that came in the same instant: nobody sees in presence that another listens."""
    monkeypatch.setattr(Replicas, "leads", lambda *_: True)


@pytest.mark.usefixtures("unaware")
@pytest.mark.parametrize("handler", [Naming, Slow])
@pytest.mark.parametrize(("names"), [("agent", "agent"), ("agent", "helper")])
async def test_two_that_do_not_know_of_each_other_yet_give_one_answer(
    fleeting: RunningBroker, talk: Any, names: tuple[str, str], handler: type[Naming]
) -> None:
    policy = OwnerPolicy(agents=frozenset(names))
    agents = [
        AblyAgent(handler(name), connection(fleeting, name), channels=[CHAT], policy=policy)
        for name in names
    ]
    with anyio.fail_after(20):
        async with (
            agents[0],
            agents[1],
            AblyChatTransport(connection(fleeting, "alice")) as transport,
            AblyChatTransport(connection(fleeting, "bob")) as of_bob,
        ):
            one = talk(transport, CHAT)
            async with of_bob.observe(CHAT) as changes:
                for number in range(4):
                    request = await one.request("go", f"u{number}")
                    async with transport.send_messages(request) as stream:
                        said = [chunk.type async for chunk in stream]
                    assert said.count("start") == said.count("finish") == 1
                    asked, seen = await anext(changes), await anext(changes)
                    assert isinstance(asked, MessageSeen)
                    assert isinstance(seen, RunSeen)
                    assert [chunk.type async for chunk in seen.chunks] == said
            for agent in agents:
                await agent.drain()
            messages = await one.settled()
            runs = (await transport.session(CHAT)).wire.conversation.runs()
    assert [message.role for message in messages] == ["user", "assistant"] * 4
    assert [run.reason for run in runs] == ["complete"] * 4


def test_who_is_new_or_has_company_may_meet_another_answer() -> None:
    clock = [20.0]
    place = Place()
    alone = Replicas(place, lambda name: name == "agent", listens=True, now=lambda: clock[0])
    assert alone.may_meet("here")
    clock[0] += 6_000
    assert not alone.may_meet("here")
    place.present.append(member(10, "there"))
    assert alone.may_meet("here")
    assert replicas(Place(), listens=False).may_meet("here")
