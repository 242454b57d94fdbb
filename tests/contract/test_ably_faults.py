"""What may go wrong on Ably, over the broker; docs/reference/faults.md says which test proves what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import FaultSettings, Limits, RunningBroker, serve_broker
from chat_transport.chunks import (
    Error,
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.errors import ConnectFailed, RequestRejected, StreamInterrupted
from chat_transport.inputs import SendMessages
from chat_transport.messages import ToolPart, UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, Invocation

pytestmark = pytest.mark.anyio

KEY = "app.key:secret"
CHAT = "ai:chat"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def echo(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    for letter in f"you said {run.messages[-1].text}":
        yield TextDelta(id="t", delta=letter)
    yield TextEnd(id="t")


def asking(text: str = "hello", ident: str = "u1") -> SendMessages:
    return SendMessages(chat_id=CHAT, messages=[UIMessage.user(text, id=ident)])


async def replied(transport: AblyChatTransport, request: SendMessages) -> list[UIMessageChunk]:
    with anyio.fail_after(30):
        async with transport.send_messages(request) as stream:
            return [chunk async for chunk in stream]


def text_of(chunks: list[UIMessageChunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


class Paced:
    """Says "so far so good", letter by letter, and does something at certain places."""

    def __init__(self, acts: dict[int, Callable[[], object]]) -> None:
        self.acts = acts

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        for place, letter in enumerate("so far so good"):
            self.acts.get(place, bool)()
            yield TextDelta(id="t", delta=letter)
            await anyio.sleep(0.005)
        self.acts.get(len("so far so good"), bool)()
        yield TextEnd(id="t")


async def settled(transport: AblyChatTransport) -> list[str]:
    """Give the texts of the chat when no run is under way."""
    with anyio.fail_after(30):
        while True:
            history = await transport.load_history(CHAT)
            if history.active_run_id is None:
                return [message.text for message in history.messages]
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("place", [0, 7, 14], ids=["first", "middle", "last"])
async def test_a_refused_append_costs_no_letter_wherever_it_is(
    broker: RunningBroker, connect: Any, place: int
) -> None:
    faults = broker.broker.faults
    paced = Paced({place: lambda: faults.reject("append", times=1, code=40000, status=400)})
    async with AblyAgent(paced, connect("agent"), channels=[CHAT], window_s=0):
        async with AblyChatTransport(connect("ann")) as transport:
            reply = MessageReducer(message_id="none")
            for chunk in await replied(transport, asking()):
                reply.feed(chunk)  # what was heard otherwise is taken back and told anew
            assert reply.message.text == "so far so good"
            assert await settled(transport) == ["hello", "so far so good"]
        async with AblyChatTransport(connect("late")) as transport:
            assert await settled(transport) == ["hello", "so far so good"]
    assert faults.rejections[0].times == 0


def acts_of(loss: str, broker: RunningBroker) -> dict[int, Callable[[], object]]:
    """Give what happens at which letter."""
    faults = broker.broker.faults

    def forget() -> None:
        """Lose what the sockets did not get, and let nobody continue from before."""
        channel = broker.broker.apps["app"].channels[CHAT]
        channel.log.floor = channel.now()
        faults.drop_sockets()
        faults.clear()

    return {
        "socket": {7: faults.drop_sockets},
        "connection": {7: faults.forget_connections},
        "token": {7: faults.expire_tokens},
        "continuity": {4: lambda: faults.update(FaultSettings(hold=True)), 10: forget},
    }[loss]


@pytest.mark.parametrize("loss", ["socket", "connection", "token", "continuity"])
async def test_a_reply_goes_on_over_a_loss_without_gap_or_repetition(
    broker: RunningBroker, connect: Any, loss: str
) -> None:
    """In the last case the channels attach again with `resumed` false: there is a true gap."""
    paced = Paced(acts_of(loss, broker))
    async with AblyAgent(paced, connect("agent"), channels=[CHAT], window_s=0):
        async with AblyChatTransport(connect("ann")) as transport:
            chunks = await replied(transport, asking())
            assert await settled(transport) == ["hello", "so far so good"]
    read_again = broker.broker.faults.asked["history"] > 2  # one page for each attach
    assert read_again is (loss == "continuity")
    assert text_of(chunks) == "so far so good"
    assert [chunk.type for chunk in chunks if chunk.type != "text-delta"] == [
        "start", "start-step", "text-start", "text-end", "finish",
    ]  # fmt: skip


async def test_an_absence_in_which_even_the_sdk_is_given_up_costs_nothing(
    connect_to: Any,
) -> None:
    """Longer than the broker remembers connections; the agent goes on talking meanwhile."""
    limits = Limits(connection_state_ttl_ms=100, remain_present_ms=100)
    async with serve_broker([KEY], limits=limits) as broker, anyio.create_task_group() as tasks:
        connections = [connect_to(broker, name, rebuild_after_s=0.2) for name in ("agent", "ann")]

        async def be_away() -> None:
            sdks = [each._client for each in connections]
            broker.broker.faults.update(FaultSettings(unavailable=True))
            broker.broker.faults.drop_sockets()
            with anyio.fail_after(15):
                while any(e._client is sdk for e, sdk in zip(connections, sdks, strict=True)):
                    await anyio.sleep(0.01)
            broker.broker.faults.clear()

        paced = Paced({4: lambda: tasks.start_soon(be_away)})
        async with AblyAgent(paced, connections[0], channels=[CHAT], window_s=0):
            async with AblyChatTransport(connections[1]) as transport:
                chunks = await replied(transport, asking())
                assert await settled(transport) == ["hello", "so far so good"]
    assert text_of(chunks) == "so far so good"


async def test_more_than_the_channel_takes_waits_and_is_put_together(
    broker: RunningBroker, connect: Any
) -> None:
    """As the cloud does: so many messages a second on one channel, refused with 42913 beyond."""

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for number in range(12):
            yield ToolInputAvailable(tool_call_id=f"c{number}", tool_name="n", input={"n": number})
            yield ToolOutputAvailable(tool_call_id=f"c{number}", output=number)
        yield TextStart(id="t")
        for number in range(1000):
            yield TextDelta(id="t", delta=f"{number} ")
            await anyio.lowlevel.checkpoint()
        yield TextEnd(id="t")

    async with AblyAgent(handler, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("ann")) as transport:
            await transport.load_history(CHAT)
            broker.broker.faults.update(FaultSettings(rate_per_second=20))
            chunks = await replied(transport, asking())
    assert text_of(chunks) == "".join(f"{number} " for number in range(1000))
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert outputs == list(range(12))
    assert broker.broker.faults.asked["append"] < 100


async def test_a_page_of_history_that_fails_once_is_asked_for_again(
    broker: RunningBroker, connect: Any
) -> None:
    async with AblyAgent(echo, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("ann")) as transport:
            await replied(transport, asking())
            await settled(transport)
    broker.broker.faults.reject("history", times=1, code=50000, status=500)
    async with AblyChatTransport(connect("late")) as transport:
        assert await settled(transport) == ["hello", "you said hello"]
    assert broker.broker.faults.rejections[0].times == 0


async def test_history_that_keeps_failing_is_told(broker: RunningBroker, connect: Any) -> None:
    broker.broker.faults.reject("history", code=50000, status=500)
    async with AblyChatTransport(connect("ann")) as transport:
        with anyio.fail_after(10), pytest.raises(StreamInterrupted, match="history"):
            await transport.load_history(CHAT)


async def approving(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Ask leave once; then say what was decided."""
    answers = [
        part.approval.approved
        for message in run.messages
        for part in message.parts
        if isinstance(part, ToolPart) and part.approval is not None
    ]
    if not answers:
        yield ToolInputAvailable(tool_call_id="c1", tool_name="rm", input={})
        yield ToolApprovalRequest(approval_id="a1", tool_call_id="c1")
        return
    if answers[0]:
        yield ToolOutputAvailable(tool_call_id="c1", output="gone")
    else:
        yield ToolOutputDenied(tool_call_id="c1")
    yield TextStart(id="t")
    yield TextDelta(id="t", delta="allowed" if answers[0] else "denied")
    yield TextEnd(id="t")


@pytest.mark.parametrize("wire", ["ai-transport", "message-per-response"])
@pytest.mark.parametrize("first", [True, False], ids=["allow first", "deny first"])
async def test_of_two_answers_to_one_approval_the_first_counts(
    connect: Any, wire: str, *, first: bool
) -> None:
    served: list[str] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        served.append(run.run_id)
        async for chunk in approving(run):
            yield chunk

    async with (
        AblyAgent(handler, connect("agent"), channels=[CHAT], wire=wire),
        AblyChatTransport(connect("ann"), wire=wire) as phone,
        AblyChatTransport(connect("ann"), wire=wire) as laptop,
    ):
        await replied(phone, asking())
        await settled(phone)
        with anyio.fail_after(10):
            while (await laptop.load_history(CHAT)).active_run_id is not None or len(
                (await laptop.load_history(CHAT)).messages
            ) < 2:
                await anyio.lowlevel.checkpoint()
        sessions = [await transport.session(CHAT) for transport in (phone, laptop)]
        outgoing = [
            (await session.prepare(answering(session.wire.messages()[-1], approved=approved)))[0]
            for session, approved in zip(sessions, (first, not first), strict=True)
        ]
        with sessions[0].reading(outgoing[0].input_id) as stream:
            for session, each in zip(sessions, outgoing, strict=True):
                await session.publish(each)
            with anyio.fail_after(10):
                chunks = [chunk async for chunk in stream]
        assert text_of(chunks) == ("allowed" if first else "denied")
        await settled(phone)
        assert len(served) == 2


def answering(message: UIMessage, *, approved: bool) -> SendMessages:
    wire = message.to_wire()
    for part in wire["parts"]:
        if "approval" in part:
            part["approval"]["approved"] = approved
    return SendMessages(chat_id=CHAT, messages=[UIMessage.model_validate(wire)])


async def test_a_repair_that_is_refused_too_ends_the_run_with_words(
    broker: RunningBroker, connect: Any
) -> None:
    broker.broker.faults.reject("append", times=1, code=40000, status=400, message="first no")
    broker.broker.faults.reject("update", times=1, code=40000, status=400, message="second no")
    async with AblyAgent(echo, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("ann")) as transport:
            chunks = await replied(transport, asking())
            assert isinstance(chunks[-1], Error)
            assert "second no" in chunks[-1].error_text
            # The agent goes on with the next question.
            assert text_of(await replied(transport, asking("again", "u2"))) == "you said again"


async def test_a_broker_that_stumbles_is_asked_again(broker: RunningBroker, connect: Any) -> None:
    for kind in ("publish", "append", "update"):
        broker.broker.faults.reject(kind, every=2, times=2, code=50000, status=500)
    async with AblyAgent(echo, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("ann")) as transport:
            chunks = await replied(transport, asking())
            assert isinstance(chunks[-1], Finish)
            assert text_of(chunks) == "you said hello"


async def test_a_question_that_is_refused_is_told_to_who_asked(
    broker: RunningBroker, connect: Any
) -> None:
    async with AblyChatTransport(connect("ann")) as transport:
        await transport.load_history(CHAT)
        broker.broker.faults.reject("publish", code=40160, status=401, message="denied")
        with pytest.raises(RequestRejected, match=r"40160: denied.*lacks this operation"):
            await replied(transport, asking())


@pytest.mark.parametrize("trouble", [RequestRejected("503", status=503), ConnectFailed("nobody")])
async def test_a_wake_up_call_that_fails_is_told_and_the_question_stays(
    connect: Any, trouble: Exception
) -> None:
    async def invoke(_invocation: Invocation) -> None:
        raise trouble

    async with AblyChatTransport(connect("ann"), invoke=invoke) as transport:
        with pytest.raises(type(trouble)):
            await replied(transport, asking())
        history = await transport.load_history(CHAT)
    assert [message.text for message in history.messages] == ["hello"]


async def test_a_stop_after_the_end_changes_nothing(connect: Any) -> None:
    async with AblyAgent(echo, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("ann")) as transport:
            with anyio.fail_after(30):
                async with transport.send_messages(asking()) as stream:
                    chunks = [chunk async for chunk in stream]
                run_id = stream.run_id
            session = await transport.session(CHAT)
            while session.wire.active_runs():
                await anyio.lowlevel.checkpoint()
            await transport.stop(CHAT, run_id)
            await transport.stop(CHAT)
            assert text_of(await replied(transport, asking("again", "u2"))) == "you said again"
    assert isinstance(chunks[-1], Finish)


async def test_one_connect_that_is_refused_is_tried_again(
    broker: RunningBroker, connect: Any
) -> None:
    broker.broker.faults.update(FaultSettings(refuse_connects=1))
    with anyio.fail_after(10):
        async with AblyChatTransport(connect("ann")) as transport:
            assert (await transport.load_history(CHAT)).messages == []
