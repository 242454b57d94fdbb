"""The official JavaScript client with a Python agent: every action of the wire, seen by both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chat import Chat
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
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.messages import DynamicToolPart, ToolPart, UIMessage
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection, OwnerPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]


class ModelOut(Exception):  # a model's words, not ours
    """What the scripted model raises."""


async def scripted(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Answer by the last thing the user said; the twin of agent.mjs."""
    asked = next((m.text for m in reversed(run.messages) if m.role == "user"), "")
    last = run.messages[-1] if run.messages else None
    calls = [p for p in last.parts if isinstance(p, (ToolPart, DynamicToolPart))] if last else []
    answered = next((p for p in calls if p.state == "approval-responded"), None)
    picked = next((p for p in calls if p.state == "output-available"), None)
    if answered is not None and answered.approval is not None:
        if answered.approval.approved:
            yield ToolOutputAvailable(tool_call_id=answered.tool_call_id, output={"sent": True})
        else:
            yield ToolOutputDenied(tool_call_id=answered.tool_call_id)
        async for chunk in say("sent" if answered.approval.approved else "not sent"):
            yield chunk
    elif last is not None and last.role == "assistant" and picked is not None:
        async for chunk in say(f"you picked {picked.output}"):
            yield chunk
    elif asked == "reason":
        yield StartStep()
        yield ReasoningStart(id="r1")
        yield ReasoningDelta(id="r1", delta="hmm ")
        yield ReasoningDelta(id="r1", delta="yes")
        yield ReasoningEnd(id="r1")
        async for chunk in say("because", opens=False):
            yield chunk
    elif asked == "weather":
        yield StartStep()
        yield ToolInputStart(tool_call_id="w1", tool_name="weather")
        yield ToolInputDelta(tool_call_id="w1", input_text_delta='{"city":"Paris"}')
        yield ToolInputAvailable(tool_call_id="w1", tool_name="weather", input={"city": "Paris"})
        yield ToolOutputAvailable(tool_call_id="w1", output={"sky": "clear"})
        yield FinishStep()
        async for chunk in say("clear sky"):
            yield chunk
    elif asked in {"email", "pick"}:
        name = "send_email" if asked == "email" else "pick_colour"
        yield StartStep()
        yield ToolInputStart(tool_call_id="c1", tool_name=name)
        yield ToolInputDelta(tool_call_id="c1", input_text_delta='{"to":"ada"}')
        yield ToolInputAvailable(tool_call_id="c1", tool_name=name, input={"to": "ada"})
        if asked == "email":
            yield ToolApprovalRequest(approval_id="ap-1", tool_call_id="c1")
        yield FinishStep()
        yield Finish(finish_reason="tool-calls")
    elif asked.startswith("slow"):
        yield StartStep()
        yield TextStart(id="t1")
        for index in range(500):
            yield TextDelta(id="t1", delta=f"{asked}{index} ")
            await anyio.sleep(0.01)
        yield TextEnd(id="t1")
        yield FinishStep()
    elif asked == "error":
        raise ModelOut("the model is out")
    else:
        async for chunk in say(f"you said {asked}"):
            yield chunk


async def say(text: str, *, opens: bool = True) -> AsyncIterator[UIMessageChunk]:
    if opens:
        yield StartStep()
    yield TextStart(id="t1")
    for word in text.split(" "):
        yield TextDelta(id="t1", delta=word if text.startswith(word) else " " + word)
    yield TextEnd(id="t1")
    yield FinishStep()
    yield Finish(finish_reason="stop")


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


def shape(message: dict[str, Any]) -> dict[str, Any]:
    """What both sides must agree on: role and parts, without what only one of them keeps."""
    parts = [
        {k: v for k, v in part.items() if k not in {"state", "providerMetadata", "id", "rawInput"}}
        | ({"state": part["state"]} if "toolCallId" in part else {})
        for part in message["parts"]
    ]
    return {"role": message["role"], "parts": parts}


def merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join what a run said before and after it waited: the JavaScript view shows two messages.

    It also loses an approval's id and reason when the call is settled, and a client that joins in
    mid-reply may add a second step boundary to the one that history brings. Ours does neither.
    """
    joined: list[dict[str, Any]] = []
    for message in messages:
        parts = [{k: v for k, v in p.items() if k != "approval"} for p in message["parts"]]
        if joined and joined[-1]["role"] == message["role"] == "assistant":
            joined[-1]["parts"] += parts
        else:
            joined.append({"role": message["role"], "parts": parts})
    for message in joined:
        message["parts"] = [
            part
            for before, part in zip([{}, *message["parts"]], message["parts"], strict=False)
            if part["type"] != "step-start" or before.get("type") != "step-start"
        ]
    return joined


async def both_agree(client: Any, broker: RunningBroker, key: str) -> list[dict[str, Any]]:
    """Compare what the JavaScript view and a Python client that comes now show."""
    theirs = merged([shape(m) for m in await client.call("viewMessages")])
    async with python_view(broker, key) as transport:
        history = await transport.load_history("ai:1")
    ours = merged([shape(m.to_wire()) for m in history.messages])
    assert ours == theirs
    return ours


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return ["".join(p.get("text", "") for p in m["parts"] if p["type"] == "text") for m in messages]


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
    assert "slow499" not in texts(agreed)[1]


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
    async def steered(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield TextStart(id="t1")
        yield TextDelta(id="t1", delta="begun ")
        async for message in run.steering():
            yield TextDelta(id="t1", delta=f"heard {message.text} ")
            break
        yield TextEnd(id="t1")
        yield FinishStep()
        yield Finish(finish_reason="stop")

    async with AblyAgent(
        steered,
        connection(broker, ably_key, "py-agent"),
        channels=["ai:1"],
        policy=OwnerPolicy(),
    ):
        client = await js("client", channel="ai:1", clientId="alice")
        await client.call("sendRun", text="go", name="a")
        await client.call("untilText", text="begun ")
        outcome = await client.call("steer", name="a", text="left")
        assert outcome["consumed"] is True
        await client.call("untilText", text="heard left ")
        await client.call("untilIdle", replies=1)
        await both_agree(client, broker, ably_key)
