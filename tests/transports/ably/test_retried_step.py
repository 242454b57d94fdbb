"""A step that is tried again, over the broker: on the wire that has a word for it, and on others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chunks import (
    DataChunk,
    Error,
    Finish,
    MessageMetadata,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import AblyAgent, AblyChatTransport
from chat_transport.transports.ably.ai_transport import AiTransportWire
from chat_transport.transports.ably.wires import WIRE_NAMES

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"


def words(text: str) -> list[UIMessageChunk]:
    return [StartStep(), TextStart(id="t"), TextDelta(id="t", delta=text), TextEnd(id="t")]


async def retrying(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Say half, fail, and say the whole."""
    for text in ("half", "whole"):
        async with run.step("answer"):
            for chunk in words(text):
                yield chunk
            if text == "half":
                yield Error(error_text="overloaded")


async def mixed(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Say in the attempt that fails what lasts, and what does not."""
    yield StartStep()
    yield ToolInputAvailable(tool_call_id="c", tool_name="look", input={})
    yield DataChunk(type="data-card", id="d", data={"n": 1})
    for attempt in (1, 2):
        async with run.step("answer"):
            if attempt == 1:
                yield ToolOutputAvailable(tool_call_id="c", output="seen")
                yield DataChunk(type="data-card", id="d", data={"n": 2})
                yield MessageMetadata(message_metadata={"model": "demo"})
                yield DataChunk(type="data-card", id="void", data={"n": 3})
            for chunk in words(f"try {attempt}"):
                yield chunk
    yield Finish(finish_reason="stop")


def told(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="none")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


async def talked(
    connect: Any, talk: Any, handler: Any, wire: Any = None
) -> tuple[list[UIMessageChunk], UIMessage, UIMessage]:
    """Give what the sender read, what he shows then, and what somebody else loads."""
    with anyio.fail_after(15):
        async with AblyAgent(handler, connect("agent"), channels=[CHAT], wire=wire):
            async with AblyChatTransport(connect("alice"), wire=wire) as transport:
                one = talk(transport, CHAT)
                async with transport.send_messages(await one.request("go", "u1")) as stream:
                    chunks = [chunk async for chunk in stream]
                shown = (await one.settled())[-1]
            async with AblyChatTransport(connect("bob"), wire=wire) as transport:
                loaded = (await talk(transport, CHAT).settled())[-1]
    return chunks, shown, loaded


@pytest.mark.parametrize("name", [name for name in WIRE_NAMES if name != "ai-transport"])
async def test_a_wire_without_a_word_for_it_shows_both_attempts_and_ends_well(
    connect: Any, talk: Any, name: str
) -> None:
    chunks, shown, loaded = await talked(connect, talk, retrying, name)
    assert isinstance(chunks[-1], Finish)
    for message in (told(chunks), shown, loaded):
        assert message.text.split() in (["half", "whole"], ["halfwhole"])  # some put a line between


@pytest.mark.parametrize("implicit_steps", [False, True])
async def test_what_lasts_of_a_failed_attempt_lasts_on_the_channel(
    connect: Any, talk: Any, *, implicit_steps: bool
) -> None:
    wire = AiTransportWire(implicit_steps=implicit_steps)
    chunks, shown, loaded = await talked(connect, talk, mixed, wire)
    live = told(chunks)
    assert live.to_wire()["parts"] == shown.to_wire()["parts"] == loaded.to_wire()["parts"]
    assert [part.type for part in live.parts] == [
        *("step-start", "tool-look", "data-card", "step-start", "text"),
    ]
    assert live.parts[1].output == "seen"  # type: ignore[union-attr]
    assert live.parts[2].data == {"n": 2}  # type: ignore[union-attr]
    assert live.text == "try 2"
    assert live.metadata == shown.metadata == loaded.metadata == {"model": "demo"}


@pytest.mark.parametrize("cut", ["drop_sockets", "forget_connections"])
async def test_a_retry_survives_sockets_that_are_cut_between_and_in_attempts(
    broker: RunningBroker, connect: Any, talk: Any, cut: str
) -> None:
    async def stormy(run: Run) -> AsyncIterator[UIMessageChunk]:
        for number in range(4):
            async with run.step("answer"):
                yield StartStep()
                yield TextStart(id=f"t{number}")
                for word in range(200):
                    if word == 100:
                        getattr(broker.broker.faults, cut)()
                    yield TextDelta(id=f"t{number}", delta=f"{number}.{word} ")
                    await anyio.lowlevel.checkpoint()
                yield TextEnd(id=f"t{number}")

    chunks, shown, loaded = await talked(connect, talk, stormy)
    wanted = "".join(f"3.{word} " for word in range(200))
    assert told(chunks).text == shown.text == loaded.text == wanted
