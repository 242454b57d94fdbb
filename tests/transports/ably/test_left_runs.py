"""Runs of a process that died: ended, or done again by the next agent of that name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run, RunEnd
from chat_transport.agent.runtime import Agent
from chat_transport.broker import Limits, RunningBroker, serve_broker
from chat_transport.chunks import (
    Error,
    Finish,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    OwnerPolicy,
    make_token,
)
from chat_transport.transports.ably.ai_transport import AiTransportWire
from chat_transport.transports.ably.auth import AGENT_OPERATIONS
from chat_transport.transports.ably.channel import Member
from chat_transport.transports.ably.left_runs import LeftRuns
from chat_transport.transports.ably.wire import RunRef

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"
KEY = "app.key:secret"


# ── which runs are left ──────────────────────────────────────────────────────────────────────────


@dataclass
class Place:
    present: list[Member] = field(default_factory=list)

    def members(self) -> list[Member]:
        return self.present


RUN = RunRef(run_id="r", input_id="m")


def test_a_run_of_our_name_is_left_once() -> None:
    left = LeftRuns(Place(), "agent")
    left.note_speaker("r", "agent")
    assert left.found([RUN], "here") == [RUN]
    assert left.found([RUN], "here") == []


def test_runs_of_others_of_our_own_and_of_nobody_are_not_left() -> None:
    left = LeftRuns(Place(), "agent")
    left.note_speaker("r", "somebody")
    left.note_speaker(None, "agent")
    left.note_speaker("mine", "agent")
    left.take("mine")
    mine, unnamed = RunRef(run_id="mine", input_id="m"), RunRef(run_id=None, input_id="m")
    assert left.found([RUN, mine, unnamed], "here") == []
    assert LeftRuns(Place(), None).found([RUN], "here") == ()


def test_nothing_is_taken_from_the_living() -> None:
    place = Place([Member("agent", None, "there"), Member("agent", None, "here")])
    left = LeftRuns(place, "agent")
    left.note_speaker("r", "agent")
    assert left.found([RUN], "here") == []
    place.present.pop(0)
    assert left.found([RUN], "here") == [RUN]


def test_runs_of_named_others_are_left_too_to_who_leads() -> None:
    place, chief = Place([Member("twin", None, "there")]), [False]
    left = LeftRuns(place, "agent", inherits={"twin"}.__contains__, leads=lambda: chief[0])
    left.note_speaker("r", "twin")
    left.note_speaker("s", "stranger")
    other = RunRef(run_id="s", input_id="m")
    assert not left.found([RUN, other], "here")
    chief[0] = True
    assert not left.found([RUN, other], "here")  # it lives
    place.present.clear()
    assert left.found([RUN, other], "here") == [RUN]


# ── over the broker ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def fleeting(anyio_backend: str) -> AsyncIterator[RunningBroker]:
    """A broker that forgets who is present at once when a socket dies."""
    limits = Limits(remain_present_ms=100, connection_state_ttl_ms=200)
    async with serve_broker([KEY], limits=limits) as running:
        yield running


def connection(broker: RunningBroker, name: str) -> AblyConnection:
    return AblyConnection(key=KEY, client_id=name, endpoint=broker.address, tls=False)


class Mortal:
    """An agent that dies without a word: its connection is cut and never comes back."""

    def __init__(self, broker: RunningBroker, handler: Any, wire: Any = None) -> None:
        self.connection = connection(broker, "agent")
        self._broker = broker
        self._handler = handler
        self._wire = wire
        self._is_up = anyio.Event()

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self._live())
        await self._is_up.wait()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _live(self) -> None:
        async with AblyAgent(self._handler, self.connection, channels=[CHAT], wire=self._wire):
            self._is_up.set()
            await anyio.sleep_forever()

    def kill(self) -> None:
        client = self.connection._client
        assert client is not None
        name = client.connection_id
        # Nothing more can be sent: as far as the world knows, the process is gone.
        manager = client._sdk.connection.connection_manager
        manager.transport.websocket.transport.abort()
        client._sdk.options.endpoint_is_dead = True
        manager.start_connect = lambda: None
        self._broker.broker.faults.drop_sockets(name)


class Story:
    """A handler that plans, and hangs in its answer until it is told to go on."""

    def __init__(self, *, plans: str | None = "the plan: ", says: str = "half ") -> None:
        self.plans = plans
        self.says = says
        self.runs: list[Run] = []
        self.go_on = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.runs.append(run)
        if self.plans is not None:
            async with run.step("plan"):
                for chunk in words(self.plans):
                    yield chunk
        async with run.step("answer"):
            for chunk in words(self.says):
                yield chunk
            await self.go_on.wait()


def words(text: str) -> list[UIMessageChunk]:
    return [StartStep(), TextStart(id="t"), TextDelta(id="t", delta=text), TextEnd(id="t")]


def told(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="none")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


async def killed_and_followed(
    broker: RunningBroker,
    talk: Any,
    first: Any,
    second: Any,
    *,
    wire: Any = None,
    heir: AblyConnection | None = None,
    **settings: Any,
) -> tuple[list[UIMessageChunk], list[UIMessage], Any]:
    """Let `first` die in its answer and `second` follow; give what was read and what is shown."""
    with anyio.fail_after(20):
        async with AblyChatTransport(connection(broker, "alice"), wire=wire) as transport:
            one = talk(transport, CHAT)
            mortal = Mortal(broker, first, wire)
            async with mortal.living():
                async with transport.send_messages(await one.request("go", "u1")) as stream:
                    chunks: list[UIMessageChunk] = []
                    while "half" not in told(chunks).text:
                        chunks.append(await anext(stream))
                    mortal.kill()
                    own = heir or connection(broker, "agent")
                    async with AblyAgent(second, own, channels=[CHAT], wire=wire, **settings):
                        chunks += [chunk async for chunk in stream]
                messages = await one.settled()
                session = await transport.session(CHAT)
    return chunks, messages, session


@pytest.mark.parametrize("implicit_steps", [False, True])
async def test_the_next_agent_does_a_left_run_again_and_its_steps_take_back_what_was_said(
    fleeting: RunningBroker, talk: Any, *, implicit_steps: bool
) -> None:
    first, second = Story(), Story(says="the whole")
    second.go_on.set()
    chunks, messages, session = await killed_and_followed(
        fleeting,
        talk,
        first,
        second,
        wire=AiTransportWire(implicit_steps=implicit_steps),
        left_runs="again",
    )
    assert isinstance(chunks[-1], Finish)
    assert told(chunks).text == "the plan: the whole"
    assert [message.text for message in messages] == ["go", "the plan: the whole"]
    assert messages[-1].id == told(chunks).id == first.runs[0].response_message_id
    (run,) = session.wire.conversation.runs()
    assert (run.state, run.reason) == ("ended", "complete")
    again = second.runs[0]
    assert again.run_id == first.runs[0].run_id == run.run_id
    assert again.response_message_id == first.runs[0].response_message_id
    assert [message.text for message in again.messages] == ["go"], "its own words are no prompt"
    assert again.user.id == "alice"


async def test_a_step_that_is_not_tried_again_is_taken_back_too(
    fleeting: RunningBroker, talk: Any
) -> None:
    second = Story(plans=None, says="the whole")
    second.go_on.set()
    chunks, messages, _ = await killed_and_followed(
        fleeting, talk, Story(), second, left_runs="again"
    )
    assert [message.text for message in messages] == ["go", "the whole"]
    assert told(chunks).text == "the whole"


@pytest.mark.parametrize("by_rule", [False, True])
@pytest.mark.parametrize("may_change_others", [True, False])
async def test_an_agent_of_another_name_that_is_allowed_to_does_a_left_run_again(
    fleeting: RunningBroker, talk: Any, *, by_rule: bool, may_change_others: bool
) -> None:
    second = Story(says="the whole")
    second.go_on.set()
    allowed = [*AGENT_OPERATIONS, *(["message-update-any"] if may_change_others else [])]

    async def token() -> str:
        return make_token(KEY, client_id="heir", capability={"*": allowed})

    chunks, messages, session = await killed_and_followed(
        fleeting,
        talk,
        Story(),
        second,
        heir=AblyConnection(token=token, endpoint=fleeting.address, tls=False),
        left_runs="again",
        left_runs_of=(lambda name: name == "agent") if by_rule else ["agent"],
        policy=OwnerPolicy(agents=frozenset({"agent", "heir"})),
    )
    assert told(chunks).text == "the plan: the whole"
    assert [message.text for message in messages] == ["go", "the plan: the whole"]
    (run,) = session.wire.conversation.runs()
    assert (run.state, run.reason) == ("ended", "complete")


async def test_a_left_run_that_was_stopped_meanwhile_is_not_done_again(
    fleeting: RunningBroker, talk: Any
) -> None:
    with anyio.fail_after(20):
        async with AblyChatTransport(connection(fleeting, "alice")) as transport:
            one = talk(transport, CHAT)
            first, second = Story(), Story()
            mortal = Mortal(fleeting, first)
            async with mortal.living():
                async with transport.send_messages(await one.request("go", "u1")) as stream:
                    while (await anext(stream)).type != "text-delta":
                        pass
                    mortal.kill()
                    await transport.stop(CHAT)
                    heir = AblyAgent(
                        second, connection(fleeting, "agent"), channels=[CHAT], left_runs="again"
                    )
                    async with heir:
                        chunks = [chunk async for chunk in stream]
            session = await transport.session(CHAT)
            (run,) = session.wire.conversation.runs()
    assert chunks[-1].type == "abort"
    assert (run.state, run.reason) == ("ended", "cancelled")
    assert second.runs == []


@pytest.mark.parametrize(
    ("wire", "settings"), [(None, {}), ("ai-sdk-transport", {"left_runs": "again"})]
)
async def test_by_default_and_on_wires_without_steps_a_left_run_ends_as_failed(
    fleeting: RunningBroker, talk: Any, wire: str | None, settings: dict[str, Any]
) -> None:
    second = Story()
    chunks, _, _ = await killed_and_followed(fleeting, talk, Story(), second, wire=wire, **settings)
    assert isinstance(chunks[-1], Error)
    assert second.runs == []


async def test_an_engine_repeats_an_invocation_until_its_run_is_over(
    fleeting: RunningBroker, talk: Any
) -> None:
    """As a Temporal activity does: one worker dies, another one is given the same invocation."""
    invocations: list[Any] = []
    ends: list[RunEnd] = []
    first, second = Story(), Story(says="the whole")
    second.go_on.set()

    async def engine(invocation: Any) -> None:
        invocations.append(invocation.to_json())

    async def note(end: RunEnd) -> None:
        ends.append(end)

    with anyio.fail_after(20):
        alice = AblyChatTransport(connection(fleeting, "alice"), invoke=engine)
        mortal = Mortal(fleeting, first)
        async with alice as transport, mortal.living():
            one = talk(transport, CHAT)
            async with transport.send_messages(await one.request("go", "u1")) as stream:
                while (await anext(stream)).type != "text-delta":
                    pass
                mortal.kill()
                async with (
                    Agent(second, on_end=note) as agent,
                    AblyAgent(
                        agent,
                        connection(fleeting, "agent"),
                        channels=["ai:*"],
                        listens=False,
                        left_runs="again",
                    ) as worker,
                ):
                    woken = await worker.finish(invocations[0])
                    assert [end.reason for end in ends] == ["complete"]
                    assert await worker.finish(invocations[0]) == woken, "it is done"
                async for _ in stream:
                    pass
            messages = await one.settled()
    assert woken.run_id == first.runs[0].run_id
    assert len(second.runs) == 1
    assert messages[-1].text == "the plan: the whole"
