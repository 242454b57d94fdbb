"""What a channel may deliver otherwise than it was published: twice, in another order, bare.

The rows of docs/reference/faults.md that are about deliveries, over the broker with the real SDK.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import FaultSettings, RunningBroker
from chat_transport.chat import Chat
from chat_transport.chunks import (
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.operations import OutboundMessage
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Talker:
    """Answers in two steps with a tool between; counts its runs, and hears what is said to one."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_waiting = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        asked = run.messages[-1].text
        self.asked.append(asked)
        yield Start(message_id=f"to-{asked}")
        yield StartStep()
        yield ToolInputAvailable(tool_call_id=f"c-{asked}", tool_name="look", input={"at": asked})
        yield ToolOutputAvailable(tool_call_id=f"c-{asked}", output=[1])
        yield FinishStep()
        yield StartStep()
        yield TextStart(id="t")
        for letter in f"you said {asked}":
            yield TextDelta(id="t", delta=letter)
        if asked == "wait":
            self.is_waiting.set()
            async for steer in run.steering():
                yield TextDelta(id="t", delta=f", then {steer.text}")
                break
        yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


def asking(text: str) -> SendMessages:
    return SendMessages(chat_id=CHAT, messages=[UIMessage.user(text, id=f"u-{text}")])


def shape(chunks: list[UIMessageChunk]) -> list[str]:
    """Name each chunk, deltas joined: the channel may put them together as it likes."""
    said: list[str] = []
    for chunk in chunks:
        if isinstance(chunk, TextDelta):
            if not said[-1].startswith("text: "):
                said.append("text: ")
            said[-1] += chunk.delta
        else:
            said.append(chunk.type)
    return said


def shape_of(asked: str) -> list[str]:
    tools = ["tool-input-start", "tool-input-available", "tool-output-available"]
    return [
        "start", "start-step", *tools, "finish-step",
        "start-step", "text-start", f"text: you said {asked}", "text-end", "finish-step", "finish",
    ]  # fmt: skip


async def until(chat: Chat, *texts: str) -> None:
    """Wait until a chat shows these texts and is at rest."""
    with anyio.fail_after(15):
        async for _ in chat.updates():
            if [message.text for message in chat.messages] == [*texts] and chat.status == "ready":
                return


@pytest.mark.parametrize(
    "faults",
    [
        {"duplicates": 1},
        {"swaps": 1},
        {"swaps": 2, "duplicates": 3},
        {"duplicates": 2, "aggregates": 3, "conflate": 2},
    ],
    ids=str,
)
async def test_a_conversation_is_the_same_to_everybody_however_it_is_delivered(
    broker: RunningBroker, connect: Any, faults: dict[str, int]
) -> None:
    talker = Talker()
    async with (
        AblyAgent(talker, connect("agent"), channels=[CHAT], window_s=0),
        AblyChatTransport(connect("ann")) as anns,
        AblyChatTransport(connect("bob")) as bobs,
        Chat(bobs, id=CHAT) as watching,
    ):
        await bobs.session(CHAT)
        await anns.session(CHAT)
        broker.broker.faults.update(FaultSettings(**faults))
        seen: dict[str, list[str]] = {}

        async def ask(transport: AblyChatTransport, text: str) -> None:
            async with transport.send_messages(asking(text)) as stream:
                seen[text] = shape([chunk async for chunk in stream])

        with anyio.fail_after(20):
            await ask(anns, "one")
            await until(watching, "one", "you said one")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, anns, "two")
                tasks.start_soon(ask, bobs, "three")
        assert seen == {text: shape_of(text) for text in ("one", "two", "three")}
        assert sorted(talker.asked) == ["one", "three", "two"]
        shown = [await shown_when_idle(transport) for transport in (anns, bobs)]
        broker.broker.faults.clear()
        async with AblyChatTransport(connect("late")) as latecomers:
            shown.append(await shown_when_idle(latecomers))
    assert shown[0] == shown[1] == shown[2]
    assert [message.text for message in shown[0]][:2] == ["one", "you said one"]
    assert len(shown[0]) == 6


async def shown_when_idle(transport: AblyChatTransport) -> list[UIMessage]:
    with anyio.fail_after(10):
        while True:
            history = await transport.load_history(CHAT)
            if history.active_run_id is None and len(history.messages) == 6:
                return list(history.messages)
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("faults", [{"duplicates": 1}, {"swaps": 1}], ids=str)
async def test_a_steer_and_a_stop_count_once_whatever_overtakes_them(
    broker: RunningBroker, connect: Any, faults: dict[str, int]
) -> None:
    talker = Talker()
    async with (
        AblyAgent(talker, connect("agent"), channels=[CHAT], window_s=0),
        AblyChatTransport(connect("ann")) as transport,
    ):
        session = await transport.session(CHAT)
        broker.broker.faults.update(FaultSettings(**faults))
        with anyio.fail_after(20):
            async with transport.send_messages(asking("wait")) as stream:
                await talker.is_waiting.wait()
                while not session.wire.active_runs():
                    await anyio.lowlevel.checkpoint()
                (ref,) = session.wire.active_runs()
                assert ref.run_id is not None
                assert await session.steer(ref.run_id, UIMessage.user("left", id="u2"))
                chunks = [chunk async for chunk in stream]
            assert shape(chunks)[-4] == "text: you said wait, then left"
            talker.is_waiting = anyio.Event()
            async with transport.send_messages(asking("wait")) as stream:
                await talker.is_waiting.wait()
                await transport.stop(CHAT)
                chunks = [chunk async for chunk in stream]
    assert chunks[-1].type == "abort"
    assert talker.asked == ["wait", "wait"]


class JsLikeAgent:
    """Speaks the wire by hand: what a stranger's agent may leave out of its appends."""

    def __init__(self, connection: AblyConnection) -> None:
        self._connection = connection
        self._channel = connection.channel(CHAT)
        self._idents = iter(range(100))

    async def publish(self, name: str, codec: dict[str, str], **transport: str) -> str:
        message = OutboundMessage(name=name, data="", extras=h.envelope(transport, codec))
        (serial,) = await self._channel.publish((message,), f"js-{next(self._idents)}")
        return serial

    async def append(self, serial: str, data: str, name: str, extras: Any) -> None:
        message = OutboundMessage(name=name, data=data, extras=extras)
        await self._channel.change("append", message, serial)


@pytest.mark.parametrize("name", ["ai-output", ""], ids=["named", "nameless"])
@pytest.mark.parametrize("bare", [False, True], ids=["with extras", "without extras"])
@pytest.mark.parametrize("joins", ["first", "late"])
async def test_appends_may_lack_their_name_and_their_extras(
    connect: Any, name: str, joins: str, *, bare: bool
) -> None:
    async with connect("agent") as connection, AblyChatTransport(connect("ann")) as transport:
        if joins == "first":
            await transport.session(CHAT)
        agent = JsLikeAgent(connection)
        run = {h.RUN_ID: "r1", h.INPUT_ID: "m1"}
        said = {**run, h.MESSAGE_ID: "a1", h.ROLE: "assistant"}
        text = {h.KIND: "text", "id": "t"}
        open_ = {**said, h.STREAM: h.TRUE, h.STATUS: h.STREAMING, h.STREAM_ID: "t"}
        await agent.publish(h.RUN_START, {}, **run)
        serial = await agent.publish(h.OUTPUT, text, **open_)
        for word in ("so ", "far "):
            await agent.append(serial, word, name, None if bare else h.envelope(open_, text))
        session = await transport.session(CHAT)
        with anyio.fail_after(10):
            while not session.wire.messages() or session.wire.messages()[-1].text != "so far ":
                await anyio.lowlevel.checkpoint()
            async with session.following() as stream:
                assert stream is not None
                await agent.append(serial, "good", name, None if bare else h.envelope(open_, text))
                closed = {**open_, h.STATUS: h.COMPLETE}
                await agent.append(serial, "", name, h.envelope(closed, text))
                await agent.publish(h.RUN_END, {}, **run, **{h.RUN_REASON: "complete"})
                chunks = [chunk async for chunk in stream]
    assert shape(chunks)[-3:] == ["text: so far good", "text-end", "finish"]
