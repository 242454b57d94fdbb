"""A Python agent that dies in the middle of a step, and two at once: what JavaScript shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import Limits, RunningBroker, serve_broker
from chat_transport.chunks import (
    Finish,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.transports.ably import AblyAgent, AblyConnection
from chat_transport.transports.ably.replicas import Replicas

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]


@pytest.fixture
async def broker(ably_key: str) -> AsyncIterator[RunningBroker]:
    """A broker that forgets who is present at once when a socket dies."""
    limits = Limits(remain_present_ms=100, connection_state_ttl_ms=200)
    async with serve_broker([ably_key], limits=limits) as running:
        yield running


class Story:
    """A handler that plans, and answers when it may."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.go_on = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("plan"):
            for chunk in words("the plan: "):
                yield chunk
        async with run.step("answer"):
            for chunk in words(self.answer):
                yield chunk
            await self.go_on.wait()


def words(text: str) -> list[UIMessageChunk]:
    return [StartStep(), TextStart(id="t"), TextDelta(id="t", delta=text), TextEnd(id="t")]


def connection(broker: RunningBroker, key: str) -> AblyConnection:
    return AblyConnection(key=key, client_id="py-agent", endpoint=broker.address, tls=False)


async def die(own: AblyConnection, broker: RunningBroker) -> None:
    """Cut a connection for good: as far as the world knows, its process is gone."""
    client = own._client
    assert client is not None
    name = client.connection_id
    manager = client._sdk.connection.connection_manager
    manager.transport.websocket.transport.abort()
    client._sdk.options.endpoint_is_dead = True
    manager.start_connect = lambda: None
    broker.broker.faults.drop_sockets(name)


def shape(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [(part["type"], part.get("text", "")) for part in message["parts"]]


async def test_javascript_shows_the_reply_of_two_processes_as_one(
    js: Open, broker: RunningBroker, ably_key: str
) -> None:
    first, second = Story("half"), Story("the whole")
    mortal, is_up = connection(broker, ably_key), anyio.Event()

    async def live() -> None:
        async with AblyAgent(first, mortal, channels=["ai:1"]):
            is_up.set()
            await anyio.sleep_forever()

    life = asyncio.create_task(live())
    try:
        with anyio.fail_after(60):
            await is_up.wait()
            alice = await js("client", channel="ai:1", clientId="alice")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: alice.call("send", text="hello"))
                await alice.call("untilText", text="half")
                await die(mortal, broker)
                heir = AblyAgent(
                    second, connection(broker, ably_key), channels=["ai:1"], left_runs="again"
                )
                async with heir:
                    await alice.call("untilText", text="the whole")
                    second.go_on.set()
                    await alice.call("untilIdle", replies=1)
            _, shown = await alice.call("viewMessages")
            _, own = await alice.call("chatMessages")
            runs = await alice.call("runs")
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
    won = [("step-start", ""), ("text", "the plan: "), ("step-start", ""), ("text", "the whole")]
    assert shape(shown) == shape(own) == won
    assert [run["status"] for run in runs] == ["complete"]


async def deleting(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Ask before it deletes."""
    if run.messages[-1].role == "user":
        yield StartStep()
        yield ToolInputAvailable(tool_call_id="c", tool_name="rm", input={"path": "x"})
        yield ToolApprovalRequest(approval_id="a", tool_call_id="c")
        return
    yield ToolOutputAvailable(tool_call_id="c", output="gone")
    for chunk in words("deleted"):
        yield chunk
    yield Finish(finish_reason="stop")


async def test_javascript_sees_one_answer_of_two_processes_that_begin_at_once(
    js: Open, broker: RunningBroker, ably_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither knows of the other, when it is asked and when it is answered."""
    monkeypatch.setattr(Replicas, "leads", lambda *_: True)
    both = [AblyAgent(deleting, connection(broker, ably_key), channels=["ai:1"]) for _ in range(2)]
    with anyio.fail_after(60):
        async with both[0], both[1]:
            alice = await js("client", channel="ai:1", clientId="alice", autoSend="approvals")
            await alice.call("send", text="delete it")
            await alice.call("untilTool", state="approval-requested")
            await alice.call("approve", approvalId="a", approved=True)
            await alice.call("untilText", text="deleted")
            await alice.call("untilIdle", replies=1)
            shown = await alice.call("viewMessages")
            own = await alice.call("chatMessages")
            runs = await alice.call("runs")
    # The JavaScript view shows what a run says after it waited as a message of its own.
    assert [message["role"] for message in shown] == ["user", "assistant", "assistant"]
    for messages in (shown, own):
        said = [part for message in messages[1:] for part in shape(message)]
        assert [kind for kind, _ in said if kind != "step-start"] == ["tool-rm", "text"]
        assert said[-1] == ("text", "deleted")
    assert [run["status"] for run in runs] == ["complete"]
