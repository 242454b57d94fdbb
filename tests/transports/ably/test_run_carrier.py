"""A reply arrives whole, whatever happens to the sockets."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import FaultSettings, RunningBroker
from chat_transport.chunks import (
    Finish,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.inputs import Reconnect
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import AblyAgent, AblyChatTransport

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"
WORDS = [f"wörd-{number}\n " for number in range(2000)]


class Teller:
    """Says 2,000 deltas; cuts sockets or pauses where it is told."""

    def __init__(self) -> None:
        self.at: dict[int, Any] = {}

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield ReasoningStart(id="r")
        yield ReasoningDelta(id="r", delta="let me see")
        yield ReasoningEnd(id="r")
        yield TextStart(id="t")
        for number, word in enumerate(WORDS):
            if number in self.at:
                await self.at[number]()
            yield TextDelta(id="t", delta=word)
            await anyio.lowlevel.checkpoint()
        yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


def told(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="none")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_2000_deltas_arrive_byte_for_byte_with_the_socket_cut_20_times(
    broker: RunningBroker, connect: Any, talk: Any, seed: int
) -> None:
    dice, teller, cuts = random.Random(seed), Teller(), 0
    faults = broker.broker.faults

    async def cut() -> None:
        nonlocal cuts
        cuts += 1
        dropped = dice.choice([faults.drop_sockets, faults.drop_sockets, faults.forget_connections])
        while dropped() == 0:  # all were away already
            await anyio.sleep(0.01)
        # The reply goes on while they are away; two cuts never meet in one absence.
        await anyio.sleep(dice.uniform(0.0, 0.05))

    teller.at = dict.fromkeys(dice.sample(range(2000), 20), cut)
    async with AblyAgent(teller, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            with anyio.fail_after(50):
                async with transport.send_messages(await one.request("go", "u1")) as stream:
                    chunks = [chunk async for chunk in stream]
            messages = await one.settled()
        async with AblyChatTransport(connect("bob")) as transport:
            seen = await talk(transport, CHAT).settled()
    assert cuts == 20
    assert isinstance(chunks[-1], Finish)
    assert told(chunks).text == "".join(WORDS)
    assert messages[-1].parts == seen[-1].parts
    assert messages[-1].text == "".join(WORDS)


@pytest.mark.parametrize(
    "faults", [{}, {"aggregates": True}, {"conflate": 3}, {"double_acks": True}]
)
async def test_whoever_joins_in_mid_reply_sees_the_same_message(
    broker: RunningBroker, connect: Any, talk: Any, faults: dict[str, Any]
) -> None:
    broker.broker.faults.update(FaultSettings(**faults))
    teller = Teller()
    joined: dict[int, list[UIMessageChunk]] = {}
    async with anyio.create_task_group() as tasks:

        async def follow(number: int, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
            async with AblyChatTransport(connect(f"late-{number}")) as late:
                async with late.reconnect_to_stream(Reconnect(chat_id=CHAT)) as stream:
                    assert stream is not None
                    task_status.started()
                    joined[number] = [chunk async for chunk in stream]

        def join(number: int) -> Any:
            return lambda: tasks.start(follow, number)

        teller.at = {number: join(number) for number in (0, 1, 700, 1999)}
        with anyio.fail_after(50):
            async with AblyAgent(teller, connect("agent"), channels=[CHAT]):
                async with AblyChatTransport(connect("alice")) as transport:
                    one = talk(transport, CHAT)
                    async with transport.send_messages(await one.request("go", "u1")) as stream:
                        chunks = [chunk async for chunk in stream]
                    while len(joined) < 4:
                        await anyio.lowlevel.checkpoint()
    whole = told(chunks)
    assert whole.text == "".join(WORDS)
    for number in (0, 1, 700, 1999):
        assert told(joined[number]) == whole, number
        assert joined[number][0].type == "start"


async def test_deltas_are_coalesced_and_the_first_goes_at_once(
    broker: RunningBroker, connect: Any, talk: Any
) -> None:
    async with AblyAgent(Teller(), connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            with anyio.fail_after(30):
                chunks = await talk(transport, CHAT).say("go", "u1")
    deltas = [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)]
    assert "".join(deltas) == "".join(WORDS)
    assert len(deltas) < 100
    assert len(deltas[0]) < len(deltas[1])


async def test_without_a_window_every_delta_is_an_append(connect: Any, talk: Any) -> None:
    async with AblyAgent(Teller(), connect("agent"), channels=[CHAT], window_s=0):
        async with AblyChatTransport(connect("alice")) as transport:
            with anyio.fail_after(30):
                chunks = await talk(transport, CHAT).say("go", "u1")
    deltas = [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)]
    assert deltas == WORDS


@pytest.mark.parametrize("which", ["client", "agent", "both"])
async def test_a_client_that_had_to_be_replaced_in_mid_reply_misses_nothing(
    broker: RunningBroker, connect: Any, talk: Any, which: str
) -> None:
    """CONNECTED without a socket, then a new connection without resume: a true gap."""
    teller, of_client, of_agent = Teller(), connect("alice"), connect("agent")
    victims = {"client": [of_client], "agent": [of_agent], "both": [of_client, of_agent]}[which]

    async def kill() -> None:
        for victim in victims:
            manager = victim._client._sdk.connection.connection_manager
            await manager.transport.dispose()

    teller.at = {700: kill}
    async with AblyAgent(teller, of_agent, channels=[CHAT]):
        async with AblyChatTransport(of_client) as transport:
            one = talk(transport, CHAT)
            with anyio.fail_after(50):
                async with transport.send_messages(await one.request("go", "u1")) as stream:
                    chunks = [chunk async for chunk in stream]
            messages = await one.settled()
    assert isinstance(chunks[-1], Finish)
    assert told(chunks).text == "".join(WORDS)
    assert messages[-1].text == "".join(WORDS)
    assert [chunk.type for chunk in chunks].count("text-start") == 1
