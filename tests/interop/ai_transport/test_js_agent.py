"""A Python client with the official JavaScript agent, woken by invocations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chat import Chat
from chat_transport.chunks import TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.inputs import Reconnect
from chat_transport.messages import ToolPart, UIMessage
from chat_transport.predicates import (
    is_complete_with_approval_responses,
    is_complete_with_tool_calls,
)
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    AiTransportWire,
)

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]


@pytest.fixture
async def agent(js: Open) -> Any:
    """A JavaScript agent."""
    return await js("agent")


@pytest.fixture
async def transport(
    agent: Any, broker: RunningBroker, ably_key: str
) -> AsyncIterator[AblyChatTransport]:
    """A Python client that wakes the agent."""
    own = AblyConnection(key=ably_key, client_id="alice", endpoint=broker.address, tls=False)
    async with AblyChatTransport(own, invoke=agent.url) as opened:
        yield opened


async def until(chat: Chat, test: Callable[[], bool]) -> None:
    """Wait until the chat shows something, within 15 s."""
    with anyio.fail_after(15):
        async for _ in chat.updates():
            if test():
                return


async def successor(run: Run) -> AsyncIterator[UIMessageChunk]:
    """The agent that comes after one that died."""
    yield TextStart(id="t1")
    yield TextDelta(id="t1", delta=f"now I say {run.messages[-1].text}")
    yield TextEnd(id="t1")


def texts(messages: Sequence[UIMessage]) -> list[str]:
    return [message.text for message in messages]


@pytest.mark.parametrize(
    ("prompt", "reply"),
    [("hello", "you said hello"), ("reason", "because"), ("weather", "clear sky")],
)
async def test_a_reply(transport: AblyChatTransport, prompt: str, reply: str) -> None:
    async with Chat(transport, id="ai:1") as chat:
        await chat.send(prompt)
        assert chat.status == "ready"
        assert texts(chat.messages) == [prompt, reply]
        history = await transport.load_history("ai:1")
    assert texts(history.messages) == [prompt, reply]


async def test_what_only_python_reads_of_a_question_does_not_disturb(
    transport: AblyChatTransport, agent: Any, js: Open
) -> None:
    client = await js("client", clientId="carol", channel="ai:1", api=agent.url)
    async with Chat(transport, id="ai:1") as chat:
        await chat.send("hello", metadata={"from": "python"})
        assert texts(chat.messages) == ["hello", "you said hello"]
        history = await transport.load_history("ai:1")
    assert history.messages[0].metadata == {"from": "python"}
    await client.call("untilIdle", replies=1)
    seen, _ = await client.call("viewMessages")
    assert seen["parts"] == [{"type": "text", "text": "hello"}]
    assert "metadata" not in seen


@pytest.mark.parametrize("approved", [True, False])
async def test_an_approval(transport: AblyChatTransport, agent: Any, *, approved: bool) -> None:
    async with Chat(
        transport, id="ai:1", send_automatically_when=is_complete_with_approval_responses
    ) as chat:
        await chat.send("email")
        await agent.until_event("run")  # it is suspended now
        (call,) = [part for part in chat.messages[-1].parts if isinstance(part, ToolPart)]
        assert call.approval is not None
        await chat.add_tool_approval_response(call.approval.id, approved=approved)
        word = "sent" if approved else "not sent"
        await until(chat, lambda: texts(chat.messages)[-1].endswith(word))


async def pick(transport: AblyChatTransport, agent: Any, prompt: str) -> list[UIMessage]:
    """Answer a client's call; gives the messages that another client then loads."""
    async with Chat(
        transport, id="ai:1", send_automatically_when=is_complete_with_tool_calls
    ) as chat:
        await chat.send(prompt)
        await agent.until_event("run")  # it is suspended, or ended
        (call,) = [part for part in chat.messages[-1].parts if isinstance(part, ToolPart)]
        await chat.add_tool_output(call.tool_call_id, output="red")
        await until(chat, lambda: texts(chat.messages)[-1].endswith('you picked "red"'))
        await until(chat, lambda: chat.status == "ready")
        return list((await transport.load_history("ai:1")).messages)


@pytest.mark.parametrize("prompt", ["pick", "pick and end"])
async def test_a_client_tool(transport: AblyChatTransport, agent: Any, prompt: str) -> None:
    messages = await pick(transport, agent, prompt)
    assert "".join(texts(messages)) == f'{prompt}you picked "red"'


async def test_a_client_tool_as_the_javascript_client_answers_it(
    agent: Any, broker: RunningBroker, ably_key: str
) -> None:
    own = AblyConnection(key=ably_key, client_id="alice", endpoint=broker.address, tls=False)
    wire = AiTransportWire(forks_results=True)
    async with AblyChatTransport(own, invoke=agent.url, wire=wire) as transport:
        messages = await pick(transport, agent, "pick")
    assert "".join(texts(messages)) == 'pickyou picked "red"'


async def test_an_own_store_is_joined_with_what_the_agent_said_since(
    transport: AblyChatTransport, broker: RunningBroker, ably_key: str
) -> None:
    async with Chat(transport, id="ai:1") as chat:
        for text in ("one", "two"):
            await chat.send(text)
        shown = chat.messages
    bobs = AblyConnection(key=ably_key, client_id="bob", endpoint=broker.address, tls=False)
    async with AblyChatTransport(bobs) as other:
        async with Chat(other, id="ai:1", messages=shown[:2]) as late:
            await late.catch_up()
            assert [message.id for message in late.messages] == [message.id for message in shown]
    async with Chat(transport, id="ai:1", messages=shown) as chat:
        await chat.catch_up()
        await chat.send("three")
        assert texts(chat.messages) == [*texts(shown), "three", "you said three"]


async def test_regenerate_and_edit(transport: AblyChatTransport) -> None:
    async with Chat(transport, id="ai:1") as chat:
        await chat.send("one")
        first = chat.messages[-1].id
        await chat.regenerate()
        assert texts(chat.messages) == ["one", "you said one"]
        assert chat.messages[-1].id != first
        await chat.send("two", message_id=chat.messages[0].id)
        assert texts(chat.messages) == ["two", "you said two"]


async def test_stop(transport: AblyChatTransport) -> None:
    async with Chat(transport, id="ai:1") as chat:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.send, "slow")
            await until(chat, lambda: bool(chat.messages) and "slow3 " in chat.messages[-1].text)
            await chat.stop()
        assert "slow3 " in chat.messages[-1].text
        assert "slow499" not in chat.messages[-1].text


async def test_an_error(transport: AblyChatTransport) -> None:
    async with Chat(transport, id="ai:1") as chat:
        await chat.send("error")
        assert chat.status == "error"


async def test_an_edit_starts_a_branch_and_the_first_one_is_kept(
    transport: AblyChatTransport,
) -> None:
    async with Chat(transport, id="ai:1") as chat:
        await chat.send("one")
        await chat.send("two", message_id=chat.messages[0].id)
        session = await transport.session("ai:1")
        found = session.branches(chat.messages[0].id)
        assert [message.text for message in found.siblings] == ["one", "two"]
        first = session.select(chat.messages[0].id, 0)
    assert texts(first) == ["one", "you said one"]


async def test_a_steered_run_is_seen_live_by_who_steers_and_by_others(
    transport: AblyChatTransport, agent: Any, js: Open, broker: RunningBroker, ably_key: str
) -> None:
    """The JavaScript agent answers in a second pass, after the `finish` that ends the stream."""
    client = await js("client", clientId="carol", channel="ai:1", api=agent.url)
    bobs, latecomers = (
        AblyConnection(key=ably_key, client_id="bob", endpoint=broker.address, tls=False)
        for _ in range(2)
    )
    wanted = ["wait", "begun", "left", "you said left"]
    async with AblyChatTransport(bobs) as other, Chat(other, id="ai:1") as watching:
        await other.session("ai:1")  # it listens from now on
        async with Chat(transport, id="ai:1") as chat:
            session = await transport.session("ai:1")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(chat.send, "wait")
                await until(chat, lambda: bool(chat.messages) and "begun" in chat.messages[-1].text)
                (ref,) = session.wire.active_runs()
                assert ref.run_id is not None
                with anyio.fail_after(15):
                    assert await session.steer(ref.run_id, UIMessage.user("left", id="u2"))
            await until(chat, lambda: texts(chat.messages) == wanted and chat.status == "ready")
            await until(watching, lambda: texts(watching.messages) == wanted)
            await agent.until_event("run")
            shown = [message.id for message in chat.messages]
            assert [message.id for message in watching.messages] == shown
    async with AblyChatTransport(latecomers) as late:
        history = await late.load_history("ai:1")
    assert [message.id for message in history.messages] == shown
    await client.call("untilIdle", replies=2)
    seen = await client.call("viewMessages")
    assert [message["id"] for message in seen] == shown
    assert ["".join(part.get("text", "") for part in each["parts"]) for each in seen] == wanted


async def test_an_agent_dies_and_ours_takes_its_place(
    transport: AblyChatTransport, agent: Any, broker: RunningBroker, ably_key: str
) -> None:
    ours, bobs = (
        AblyConnection(key=ably_key, client_id=name, endpoint=broker.address, tls=False)
        for name in ("js-agent", "bob")
    )
    async with Chat(transport, id="ai:1") as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "slow")
        await until(chat, lambda: bool(chat.messages) and "slow3 " in chat.messages[-1].text)
        await agent.kill()
        assert chat.status == "streaming"
        async with AblyAgent(successor, ours, channels=["ai:1"]), AblyChatTransport(bobs) as other:
            await until(chat, lambda: chat.status == "error")
            cut = chat.messages[-1].text
            assert "slow3 " in cut
            history = await other.load_history("ai:1")
            assert history.active_run_id is None
            assert texts(history.messages) == ["slow", cut]
            async with Chat(other, id="ai:1", messages=history.messages) as late:
                with anyio.fail_after(15):
                    await late.send("hello")
                assert texts(late.messages) == ["slow", cut, "hello", "now I say hello"]


async def javascript_shows(js: Open, agent: Any) -> list[str]:
    """Give the texts that an official client, come afterwards, has in its view."""
    client = await js("client", clientId="carol", channel="ai:1", api=agent.url)
    await client.call("loadAll")
    return [
        "".join(part.get("text", "") for part in message["parts"])
        for message in await client.call("viewMessages")
    ]


TEN = "".join(f"tok{number % 10} " for number in range(10))


async def test_two_runs_at_once(
    transport: AblyChatTransport, js: Open, agent: Any, broker: RunningBroker, ably_key: str
) -> None:
    bobs = AblyConnection(key=ably_key, client_id="bob", endpoint=broker.address, tls=False)
    async with (
        AblyChatTransport(bobs, invoke=agent.url) as second,
        Chat(transport, id="ai:1") as ours,
        Chat(second, id="ai:1") as theirs,
    ):
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ours.send, "tokens 10 30")
                tasks.start_soon(theirs.send, "tokens 10 31")
        await until(ours, lambda: texts(ours.messages).count(TEN) == 2)
        await until(theirs, lambda: texts(theirs.messages).count(TEN) == 2)
        history = texts((await second.load_history("ai:1")).messages)
    assert sorted(history) == sorted(["tokens 10 30", "tokens 10 31", TEN, TEN])
    assert sorted(texts(ours.messages)) == sorted(texts(theirs.messages)) == sorted(history)
    assert sorted(await javascript_shows(js, agent)) == sorted(history)


async def test_a_second_device_and_a_reload_in_mid_reply(
    transport: AblyChatTransport, js: Open, agent: Any, broker: RunningBroker, ably_key: str
) -> None:
    again = AblyConnection(key=ably_key, client_id="alice", endpoint=broker.address, tls=False)
    long = "".join(f"tok{number % 10} " for number in range(80))
    async with Chat(transport, id="ai:1") as chat, AblyChatTransport(again) as reloaded:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(chat.send, "tokens 80 20")
                await until(chat, lambda: bool(chat.messages) and "tok3" in chat.messages[-1].text)
                async with reloaded.reconnect_to_stream(Reconnect(chat_id="ai:1")) as stream:
                    assert stream is not None
                    assert len(chat.messages[-1].text) < len(long)
                    chunks = [chunk async for chunk in stream]
        said = "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))
        history = texts((await reloaded.load_history("ai:1")).messages)
    assert said == long
    assert texts(chat.messages) == history == ["tokens 80 20", long]
    assert await javascript_shows(js, agent) == history
