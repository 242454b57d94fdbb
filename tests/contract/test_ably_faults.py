"""What may go wrong on Ably, each with what we do about it. Further rows of the list are proven in

tests/transports/ably: appends refused (test_writer, test_agent), sockets cut and clients replaced
(test_run_carrier, test_supervisor), invocations twice, early and late, cancels in history, killed
agents, two approvals (test_agent, test_client), pages of history that fail (test_channel).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import FaultSettings, RunningBroker, serve_broker
from chat_transport.chunks import Error, Finish, TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.errors import ConnectFailed, RequestRejected
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection, Invocation

pytestmark = pytest.mark.anyio

KEY = "app.key:secret"
CHAT = "ai:chat"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def broker(anyio_backend: str) -> AsyncIterator[RunningBroker]:
    async with serve_broker([KEY]) as running:
        yield running


@pytest.fixture
def connect(broker: RunningBroker) -> Callable[[str], AblyConnection]:
    def make(client_id: str) -> AblyConnection:
        return AblyConnection(key=KEY, client_id=client_id, endpoint=broker.address, tls=False)

    return make


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
