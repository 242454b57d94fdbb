"""Agents written in JavaScript after Ably's guides, with our client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport import Chat, is_complete_with_approval_responses
from chat_transport.broker import RunningBroker
from chat_transport.broker.faults import FaultSettings
from chat_transport.codecs.ably.response import ResponseNames
from chat_transport.inputs import Reconnect
from chat_transport.messages import DynamicToolPart, ToolPart
from chat_transport.transports.ably import AblyChatTransport, AblyConnection
from chat_transport.transports.ably.turns import ResponseWire

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]

CHANNEL = "ai:conversation"
PLAIN = ResponseWire(names=ResponseNames(response="response", complete=None))
Ours = Callable[..., AblyChatTransport]


@pytest.fixture
def ours(broker: RunningBroker, user_token: Callable[[str], str]) -> Ours:
    """Makes our client, not entered; its token vouches for the role `user`."""

    def make(wire: Any, name: str = "ann") -> AblyChatTransport:
        async def token() -> str:
            return user_token(name)

        connection = AblyConnection(token=token, endpoint=broker.address, tls=False)
        return AblyChatTransport(connection, wire=wire)

    return make


@asynccontextmanager
async def chatting(transport: AblyChatTransport) -> AsyncIterator[Chat]:
    ask_on = is_complete_with_approval_responses
    chat = Chat(transport, id=CHANNEL, send_automatically_when=ask_on)
    async with transport, chat:
        with anyio.fail_after(40):
            yield chat


def calls(chat: Chat) -> list[ToolPart | DynamicToolPart]:
    return [p for p in chat.messages[-1].parts if isinstance(p, ToolPart | DynamicToolPart)]


async def decide(chat: Chat, call: ToolPart | DynamicToolPart, *, approved: bool) -> None:
    """Answer, and wait for what the agent says to that."""
    assert call.approval is not None
    parts = len(chat.messages[-1].parts)
    await chat.add_tool_approval_response(call.approval.id, approved=approved)
    with anyio.fail_after(20):
        while chat.status != "ready" or len(chat.messages[-1].parts) == parts:
            await anyio.lowlevel.checkpoint()


async def history(transport: AblyChatTransport, until: Callable[[list[str]], bool]) -> list[str]:
    """Give the texts of the chat once `until` holds."""
    with anyio.fail_after(20):
        while True:
            texts = [m.text for m in (await transport.load_history(CHANNEL)).messages]
            if until(texts):
                return texts
            await anyio.lowlevel.checkpoint()


async def test_a_prompt_is_answered(js: Open, ours: Ours) -> None:
    await js("agent", channel=CHANNEL, clientId="ai-agent", pattern="human-in-the-loop")
    async with chatting(ours("message-per-response")) as chat:
        await chat.send("hello")
        await chat.send("again")
        assert [m.text for m in chat.messages] == [
            "hello",
            "you said hello",
            "again",
            "you said again",
        ]
        assert chat.status == "ready"
    async with ours("message-per-response", "bob") as late:
        assert [m.text for m in (await late.load_history(CHANNEL)).messages] == [
            "hello", "you said hello", "again", "you said again",
        ]  # fmt: skip


@pytest.mark.parametrize(("approved", "told"), [(True, "approved"), (False, "rejected")])
async def test_a_tool_call_is_decided(js: Open, ours: Ours, *, approved: bool, told: str) -> None:
    await js("agent", channel=CHANNEL, clientId="ai-agent", pattern="human-in-the-loop")
    async with chatting(ours("message-per-response")) as chat:
        await chat.send("tool")
        (call,) = calls(chat)
        assert (call.state, call.input) == ("approval-requested", {"title": "call-1"})
        await decide(chat, call, approved=approved)
        await chat.send("and now")
        *_, reply, _, last = chat.messages
        assert reply.text.split() == ["let", "me", "see", "call-1", told]
        assert last.text == "you said and now"
    async with ours("message-per-response", "bob") as late:
        texts = [m.text for m in (await late.load_history(CHANNEL)).messages]
    assert texts[1] == f"let me see\n\ncall-1 {told}"


async def test_two_calls_of_one_reply_are_decided(js: Open, ours: Ours) -> None:
    await js("agent", channel=CHANNEL, clientId="ai-agent", pattern="human-in-the-loop")
    async with chatting(ours("message-per-response")) as chat:
        await chat.send("tool two")
        for approved in (True, False):
            waiting = next(call for call in calls(chat) if call.state == "approval-requested")
            await decide(chat, waiting, approved=approved)
        assert "call-1 approved, call-2 rejected" in chat.messages[-1].text


async def test_three_prompts_are_answered_at_once(js: Open, ours: Ours) -> None:
    agent = await js("agent", channel=CHANNEL, clientId="ai-agent", pattern="human-in-the-loop")
    async with ours("message-per-response") as transport:
        async with anyio.create_task_group() as tasks:
            for name in ("a", "b", "c"):
                peer = ours("message-per-response", name)

                async def ask(peer: AblyChatTransport = peer, name: str = name) -> None:
                    async with chatting(peer) as chat:
                        await chat.send(f"hold {name}")
                        # The others' prompts and replies are shown too, as far as they have come.
                        (own,) = (m.id for m in chat.messages if m.text == f"hold {name}")
                        (reply,) = (m for m in chat.messages if m.id == f"reply-{own}")
                        assert reply.text == "first half, second half"

                tasks.start_soon(ask)
            await history(transport, lambda texts: texts.count("first half") == 3)
            for name in ("c", "a", "b"):
                await agent.call("goOn", name=f"hold {name}")
        texts = await history(transport, lambda texts: texts.count("first half, second half") == 3)
    assert len(texts) == 6


@pytest.mark.parametrize("pattern", ["message-per-response", "message-per-token"])
async def test_three_replies_that_nobody_asked_for_are_shown_live(
    js: Open, ours: Ours, pattern: str
) -> None:
    agent = await js("agent", channel=CHANNEL, clientId="ai-agent", pattern=pattern)
    wire = PLAIN if pattern == "message-per-response" else pattern
    async with ours(wire) as transport, anyio.create_task_group() as tasks:
        async with transport.observe(CHANNEL) as changes:
            for name in ("a", "b", "c"):
                call = {"op": "respond", "text": f"hold {name}"}
                if pattern == "message-per-token":
                    call = {"op": "tokens", "text": f"hold {name}", "responseId": f"resp_{name}"}
                tasks.start_soon(lambda call=call: agent.call(**call))
            seen: list[Any] = []
            with anyio.fail_after(20):
                async for change in changes:
                    seen.append(change)
                    if len(seen) == 3:
                        break
            for name in ("b", "a", "c"):
                await agent.call("goOn", name=f"hold {name}")
            for change in seen:
                text = ""
                with anyio.fail_after(20):
                    async for chunk in change.chunks:
                        text += getattr(chunk, "delta", "")
                        if text == "first half, second half":
                            break
                assert text == "first half, second half"
        assert (
            await history(transport, lambda texts: len(texts) == 3)
            == ["first half, second half"] * 3
        )


async def test_a_connection_lost_in_mid_reply_loses_nothing(
    js: Open, ours: Ours, broker: RunningBroker
) -> None:
    agent = await js("agent", channel=CHANNEL, clientId="ai-agent", pattern="human-in-the-loop")
    async with chatting(ours("message-per-response")) as chat:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.send, "hold")
            with anyio.fail_after(20):
                while chat.messages[-1:] == () or chat.messages[-1].text != "first half":
                    await anyio.lowlevel.checkpoint()
            broker.broker.faults.update(FaultSettings(aggregates=1))
            broker.broker.faults.drop_sockets()
            await agent.call("goOn", name="hold")
        assert chat.messages[-1].text == "first half, second half"


async def test_who_comes_late_gets_the_reply_from_its_start(js: Open, ours: Ours) -> None:
    agent = await js("agent", channel=CHANNEL, clientId="ai-agent", pattern="human-in-the-loop")
    async with ours("message-per-response") as transport, anyio.create_task_group() as tasks:

        async def ask() -> None:
            async with chatting(ours("message-per-response", "bob")) as chat:
                await chat.send("hold")

        tasks.start_soon(ask)
        await history(transport, lambda texts: "first half" in texts)
        async with transport.reconnect_to_stream(Reconnect(chat_id=CHANNEL)) as stream:
            assert stream is not None
            await agent.call("goOn", name="hold")
            with anyio.fail_after(20):
                said = [chunk async for chunk in stream]
    assert "".join(getattr(chunk, "delta", "") for chunk in said) == "first half, second half"
    assert (said[0].type, said[-1].type) == ("start", "finish")
