"""Clients written in JavaScript after Ably's guides, with our agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.broker.faults import FaultSettings
from chat_transport.chunks import (
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.codecs.ably.response import ResponseNames
from chat_transport.messages import DynamicToolPart, ToolPart
from chat_transport.transports.ably import AblyAgent, AblyConnection, OwnerPolicy
from chat_transport.transports.ably.turns import ResponseWire

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]

CHANNEL = "ai:conversation"
PLAIN = ResponseWire(names=ResponseNames(response="response", complete=None))


class Scripted:
    """Answers by what was asked; `hold NAME` waits for `gates[text]`."""

    def __init__(self) -> None:
        self.gates: dict[str, anyio.Event] = {}

    def gate(self, text: str) -> anyio.Event:
        return self.gates.setdefault(text, anyio.Event())

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        last = run.messages[-1]
        yield StartStep()
        if last.role == "assistant":
            told: list[str] = []
            for part in last.parts:
                if isinstance(part, ToolPart | DynamicToolPart) and part.approval is not None:
                    call = part.tool_call_id
                    if part.approval.approved:
                        yield ToolOutputAvailable(tool_call_id=call, output="done")
                    else:
                        yield ToolOutputDenied(tool_call_id=call)
                    told.append(f"{call} {'approved' if part.approval.approved else 'rejected'}")
            async for chunk in say(", ".join(told)):
                yield chunk
        elif last.text.startswith("tool"):
            async for chunk in say("let me see"):
                yield chunk
            for number in range(2 if "two" in last.text else 1):
                call = f"{last.text}-{number}"
                yield ToolInputAvailable(tool_call_id=call, tool_name="post", input={"n": number})
                yield ToolApprovalRequest(approval_id=call, tool_call_id=call)
        elif last.text.startswith("hold"):
            yield TextStart(id="t")
            yield TextDelta(id="t", delta="first half")
            await self.gate(last.text).wait()
            yield TextDelta(id="t", delta=f", second half of {last.text}")
            yield TextEnd(id="t")
        else:
            async for chunk in say(f"you said {last.text}"):
                yield chunk
        yield FinishStep()


async def say(text: str) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    for index, word in enumerate(text.split(" ")):
        yield TextDelta(id="t", delta=f" {word}" if index else word)
    yield TextEnd(id="t")


@pytest.fixture
def script() -> Scripted:
    return Scripted()


@pytest.fixture
def serve(broker: RunningBroker, ably_key: str, script: Scripted) -> Callable[[Any], AblyAgent]:
    """Make an agent of ours, not entered."""

    def make(wire: Any) -> AblyAgent:
        connection = AblyConnection(
            key=ably_key, client_id="ai-agent", endpoint=broker.address, tls=False
        )
        policy = OwnerPolicy(start_roles={"user"})
        return AblyAgent(script, connection, channels=[CHANNEL], wire=wire, policy=policy)

    return make


async def texts(client: Any) -> list[str]:
    return [reply["text"] for reply in await client.call("replies")]


async def test_a_prompt_is_answered_and_completed(js: Open, serve: Any) -> None:
    async with serve("message-per-response"):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="hello")
        assert await client.call("untilCompleted") == ["p1"]
        assert await client.call("replies") == [{"promptId": "p1", "text": "you said hello"}]
        await client.call("prompt", promptId="p2", text="again")
        assert await client.call("untilCompleted", count=2) == ["p1", "p2"]
        assert await texts(client) == ["you said hello", "you said again"]


async def test_a_sender_without_the_role_is_not_answered(
    js: Open, serve: Any, stranger: Any
) -> None:
    async with serve("message-per-response"):
        client = await js("client", channel=CHANNEL, clientId="mallory", token=stranger("mallory"))
        await client.call("prompt", promptId="p1", text="hello")
        friend = await js("client", channel=CHANNEL, clientId="ann")
        await friend.call("prompt", promptId="p2", text="again")
        assert await friend.call("untilCompleted") == ["p2"]
        assert [reply["promptId"] for reply in await friend.call("replies")] == ["p2"]


@pytest.mark.parametrize("decision", ["approved", "rejected"])
async def test_a_tool_call_is_decided(js: Open, serve: Any, decision: str) -> None:
    async with serve("message-per-response"):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="tool")
        (asked,) = await client.call("untilApprovals")
        assert asked == {"toolCallId": "tool-0", "name": "post", "arguments": '{"n": 0}'}
        await client.call("decide", toolCallId="tool-0", decision=decision)
        assert await client.call("untilCompleted") == ["p1"]
        assert await client.call("replies") == [
            {"promptId": "p1", "text": f"let me see\n\ntool-0 {decision}"}
        ]


async def test_two_calls_of_one_reply_are_decided_after_the_agent_came_back(
    js: Open, serve: Any
) -> None:
    async with serve("message-per-response"):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="tool two")
        await client.call("untilApprovals", count=2)
    async with serve("message-per-response"):
        await client.call("decide", toolCallId="tool two-1", decision="approved")
        await client.call("decide", toolCallId="tool two-0", decision="rejected")
        await client.call("untilCompleted")
        assert await texts(client) == ["let me see\n\ntool two-0 rejected, tool two-1 approved"]


async def test_an_answer_by_somebody_else_does_not_count(js: Open, serve: Any) -> None:
    async with serve("message-per-response"):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="tool")
        await client.call("untilApprovals")
        other = await js("client", channel=CHANNEL, clientId="bob")
        await other.call("decide", toolCallId="tool-0", decision="approved")
        await client.call("decide", toolCallId="tool-0", decision="rejected")
        await client.call("untilCompleted")
        assert await texts(client) == ["let me see\n\ntool-0 rejected"]


@pytest.mark.parametrize("wire", ["message-per-response", "message-per-token"])
async def test_three_replies_at_once(js: Open, serve: Any, script: Scripted, wire: str) -> None:
    async with serve(wire):
        client = await js("client", channel=CHANNEL, clientId="ann")
        for name in ("a", "b", "c"):
            await client.call("prompt", promptId=name, text=f"hold {name}")
        for name in ("b", "c", "a"):
            script.gate(f"hold {name}").set()
            await client.call("untilText", text=f"second half of hold {name}")
        if wire == "message-per-response":
            assert sorted(await client.call("untilCompleted", count=3)) == ["a", "b", "c"]
        else:
            await client.call("untilStopped", count=3)
        assert sorted(await texts(client)) == [
            f"first half, second half of hold {name}" for name in ("a", "b", "c")
        ]


@pytest.mark.parametrize("wire", ["message-per-response", "message-per-token"])
async def test_a_connection_lost_in_mid_reply_loses_nothing(
    js: Open, serve: Any, script: Scripted, broker: RunningBroker, wire: str
) -> None:
    async with serve(wire):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="hold")
        await client.call("untilText", text="first half")
        broker.broker.faults.update(FaultSettings(aggregates=1))
        broker.broker.faults.drop_sockets()
        script.gate("hold").set()
        await client.call("untilText", text="second half of hold")
        assert await texts(client) == ["first half, second half of hold"]
        if wire == "message-per-response":
            assert "message.update" in await client.call("actions")


@pytest.mark.parametrize(
    ("wire", "name"), [("message-per-response", "agent-response"), (PLAIN, "response")]
)
async def test_a_late_client_rewinds_and_goes_on(
    js: Open, serve: Any, script: Scripted, wire: Any, name: str
) -> None:
    async with serve(wire):
        client = await js("client", channel=CHANNEL, clientId="ann", names={"response": name})
        await client.call("prompt", promptId="p1", text="hello")
        await client.call("untilText", text="you said hello")
        await client.call("prompt", promptId="p2", text="hold")
        await client.call("untilText", text="first half")
        late = await js(
            "client", channel=CHANNEL, clientId="bob", names={"response": name}, rewind="2m"
        )
        await late.call("untilText", text="first half")
        script.gate("hold").set()
        await late.call("untilText", text="second half of hold")
        assert await texts(late) == ["you said hello", "first half, second half of hold"]


async def test_history_holds_one_message_for_each_reply(js: Open, serve: Any) -> None:
    async with serve("message-per-response"):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="tool")
        await client.call("untilApprovals")
        await client.call("decide", toolCallId="tool-0", decision="approved")
        await client.call("untilCompleted")
        late = await js("client", channel=CHANNEL, clientId="bob")
        known = await late.call("history")
    assert [(item["name"], item["data"]) for item in known if item["name"] == "agent-response"] == [
        ("agent-response", "let me see\n\ntool-0 approved")
    ]


async def test_history_of_tokens_gives_the_reply(js: Open, serve: Any) -> None:
    async with serve("message-per-token"):
        client = await js("client", channel=CHANNEL, clientId="ann")
        await client.call("prompt", promptId="p1", text="hello")
        await client.call("untilStopped")
        late = await js("client", channel=CHANNEL, clientId="bob", rewind="2m")
        await late.call("untilStopped")
        assert await texts(late) == ["you said hello"]
        known = await late.call("history")
    names = [item["name"] for item in known]
    assert (names[0], names[1], names[-1]) == ("user-input", "start", "stop")
