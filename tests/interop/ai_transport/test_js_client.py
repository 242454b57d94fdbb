"""The official JavaScript client with a Python agent: every action of the wire, seen by both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from js_messages import merged, shape, texts
from scripted_agent import SLOW_WORDS, say, scripted

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chat import Chat
from chat_transport.chunks import UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection, OwnerPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]


def connection(broker: RunningBroker, key: str, client_id: str) -> AblyConnection:
    return AblyConnection(key=key, client_id=client_id, endpoint=broker.address, tls=False)


@pytest.fixture
async def agent(broker: RunningBroker, ably_key: str) -> AsyncIterator[AblyAgent]:
    """A Python agent on the channel `ai:1`."""
    async with AblyAgent(
        scripted, connection(broker, ably_key, "py-agent"), channels=["ai:1"]
    ) as serving:
        yield serving


@asynccontextmanager
async def python_view(broker: RunningBroker, key: str) -> AsyncIterator[AblyChatTransport]:
    async with AblyChatTransport(connection(broker, key, "watcher")) as transport:
        yield transport


async def both_agree(client: Any, broker: RunningBroker, key: str) -> list[dict[str, Any]]:
    """Compare what the JavaScript view and a Python client that comes now show."""
    theirs = merged([shape(m) for m in await client.call("viewMessages")])
    async with python_view(broker, key) as transport:
        history = await transport.load_history("ai:1")
    ours = merged([shape(m.to_wire()) for m in history.messages])
    assert ours == theirs
    return ours


@pytest.mark.parametrize(
    ("prompt", "reply"),
    [("hello", "you said hello"), ("reason", "because"), ("weather", "clear sky")],
)
async def test_a_reply(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str, *, prompt: str, reply: str
) -> None:
    client = await js("client", channel="ai:1", clientId="alice")
    assert await client.call("send", text=prompt) == {"status": "ready"}
    await client.call("untilIdle", replies=1)
    assert texts(await client.call("chatMessages")) == [prompt, reply]
    agreed = await both_agree(client, broker, ably_key)
    assert texts(agreed) == [prompt, reply]


async def test_the_agent_knows_what_only_its_store_remembers(
    js: Open, broker: RunningBroker, ably_key: str
) -> None:
    prompts: list[list[str]] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        prompts.append([message.text for message in run.messages])
        async for chunk in say("yes"):
            yield chunk

    async def past(_chat_id: str) -> list[UIMessage]:
        return [UIMessage.user("said last year", id="u0")]

    own = connection(broker, ably_key, "py-agent")
    async with AblyAgent(handler, own, channels=["ai:1"], past=past):
        client = await js("client", channel="ai:1", clientId="alice")
        for number, text in enumerate(("one", "two"), 1):
            assert await client.call("send", text=text) == {"status": "ready"}
            await client.call("untilIdle", replies=number)
        agreed = await both_agree(client, broker, ably_key)
    assert texts(agreed) == ["one", "yes", "two", "yes"]
    assert prompts == [["said last year", "one"], ["said last year", "one", "yes", "two"]]


async def test_an_edit_is_shown_whole_on_a_python_device(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str
) -> None:
    client = await js("client", channel="ai:1", clientId="alice")
    async with python_view(broker, ably_key) as transport, Chat(transport, id="ai:1") as chat:
        await transport.session("ai:1")
        for number, text in enumerate(("one", "two"), 1):
            await client.call("send", text=text)
            await client.call("untilIdle", replies=number)
        first = (await client.call("chatMessages"))[0]
        await client.call("editMessage", text="other", messageId=first["id"])
        wanted = ["other", "you said other"]
        async with asyncio.timeout(15):
            async for _ in chat.updates():
                if [message.text for message in chat.messages] == wanted:
                    break
        await client.call("untilIdle", replies=1)
        agreed = await both_agree(client, broker, ably_key)
    assert texts(agreed) == wanted


@pytest.mark.parametrize(("approved", "word"), [(True, "sent"), (False, "not sent")])
async def test_an_approval(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str, *, approved: bool, word: str
) -> None:
    client = await js("client", channel="ai:1", clientId="alice", autoSend="approvals")
    await client.call("send", text="email")
    await client.call("untilTool", state="approval-requested")
    reason = None if approved else "no thanks"
    await client.call("approve", approvalId="ap-1", approved=approved, reason=reason)
    await client.call("untilText", text=word)
    await client.call("untilIdle", replies=1)
    await both_agree(client, broker, ably_key)


async def test_a_client_tool(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str
) -> None:
    client = await js("client", channel="ai:1", clientId="alice", autoSend="tools")
    await client.call("send", text="pick")
    await client.call("untilTool", state="input-available")
    await client.call("toolOutput", tool="pick_colour", toolCallId="c1", output="red")
    await client.call("untilText", text="you picked red")
    await client.call("untilIdle", replies=1)
    await both_agree(client, broker, ably_key)


async def test_regenerate_and_edit(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str
) -> None:
    client = await js("client", channel="ai:1", clientId="alice")
    await client.call("send", text="one")
    await client.call("untilIdle", replies=1)
    first = await client.call("viewMessages")
    await client.call("regenerate", messageId=first[1]["id"])
    await client.call("untilIdle", replies=1)
    second = await client.call("viewMessages")
    assert texts(second) == ["one", "you said one"]
    assert second[1]["id"] != first[1]["id"]
    await client.call("editMessage", text="two", messageId=first[0]["id"])
    await client.call("untilText", text="you said two")
    await client.call("untilIdle", replies=1)
    assert texts(await both_agree(client, broker, ably_key)) == ["two", "you said two"]


@pytest.mark.parametrize("how", ["stop", "cancelRun"])
async def test_stop(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str, how: str
) -> None:
    client = await js("client", channel="ai:1", clientId="alice")
    if how == "stop":
        sending = asyncio.create_task(client.call("send", text="slow"))
        await client.call("untilText", text="slow3 ")
        await client.call("stop")
        await sending
    else:
        await client.call("sendRun", text="slow", name="a")
        await client.call("untilText", text="slow3 ")
        await client.call("cancelRun", name="a")
    await client.call("untilIdle", replies=1)
    assert [run["status"] for run in await client.call("runs")] == ["cancelled"]
    agreed = await both_agree(client, broker, ably_key)
    assert "slow3 " in texts(agreed)[1]
    assert f"slow{SLOW_WORDS - 1}" not in texts(agreed)[1]


async def test_an_error(js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str) -> None:
    client = await js("client", channel="ai:1", clientId="alice")
    outcome = await client.call("send", text="error")
    assert outcome["status"] == "error"
    assert [run["status"] for run in await client.call("runs")] == ["error"]
    await client.call("send", text="hello")
    await client.call("untilText", text="you said hello")


async def test_two_runs_at_once(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str
) -> None:
    alice = await js("client", channel="ai:1", clientId="alice")
    bob = await js("client", channel="ai:1", clientId="bob")
    await alice.call("sendRun", text="slow-a", name="a")
    await bob.call("sendRun", text="slow-b", name="b")
    await alice.call("untilText", text="slow-a3 ")
    await bob.call("untilText", text="slow-b3 ")
    await alice.call("cancelRun", name="a")
    await bob.call("cancelRun", name="b")
    for client in (alice, bob):
        await client.call("untilIdle", replies=1)
        assert {run["status"] for run in await client.call("runs")} == {"cancelled"}


async def test_a_second_device_and_a_reload_in_mid_reply(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str
) -> None:
    alice = await js("client", channel="ai:1", clientId="alice")
    await alice.call("sendRun", text="slow", name="a")
    await alice.call("untilText", text="slow5 ")
    late = await js("client", channel="ai:1", clientId="alice")
    await late.call("loadAll")
    await late.call("untilText", text="slow8 ")
    assert [run["status"] for run in await late.call("runs")] == ["active"]
    await alice.call("cancelRun", name="a")
    await late.call("untilIdle", replies=1)
    await alice.call("untilIdle", replies=1)
    seen = merged([shape(m) for m in await late.call("viewMessages")])
    assert seen == await both_agree(alice, broker, ably_key)


async def test_nobody_stops_the_run_of_another(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str
) -> None:
    alice = await js("client", channel="ai:1", clientId="alice")
    mallory = await js("client", channel="ai:1", clientId="mallory")
    await alice.call("sendRun", text="slow", name="a")
    await mallory.call("untilText", text="slow3 ")
    (run,) = await mallory.call("runs")
    await mallory.call("cancelById", runId=run["runId"])
    await alice.call("untilText", text="slow60 ")
    assert [r["status"] for r in await alice.call("runs")] == ["active"]
    await alice.call("cancelRun", name="a")
    await alice.call("untilIdle", replies=1)


async def test_steering_is_told_to_the_client(
    js: Open, broker: RunningBroker, ably_key: str
) -> None:
    async with AblyAgent(
        scripted,
        connection(broker, ably_key, "py-agent"),
        channels=["ai:1"],
        policy=OwnerPolicy(),
    ):
        client = await js("client", channel="ai:1", clientId="alice")
        await client.call("sendRun", text="wait", name="a")
        await client.call("untilText", text="begun")
        outcome = await client.call("steer", name="a", text="left")
        assert outcome["consumed"] is True
        await client.call("untilText", text="begun, heard left")
        await client.call("untilIdle", replies=1)
        await both_agree(client, broker, ably_key)
