"""What `ably-ai-sdk-transport` says that it cannot do, done: other devices, many replies, no server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport import Chat, is_complete_with_approval_responses
from chat_transport.agent.runtime import Agent
from chat_transport.messages import ToolApproval, ToolPart
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, Invocation

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"
WIRE = "ai-sdk-transport"


@asynccontextmanager
async def chatting(transport: AblyChatTransport) -> AsyncIterator[Chat]:
    ask_on = is_complete_with_approval_responses
    async with transport, Chat(transport, id=CHAT, send_automatically_when=ask_on) as chat:
        await chat.load_history()
        with anyio.fail_after(15):
            yield chat


async def shows(chat: Chat, *texts: str) -> None:
    """Wait until the chat shows these texts."""
    with anyio.fail_after(10):
        async for _ in chat.updates():
            if [message.text for message in chat.messages] == list(texts):
                return


async def test_a_reply_asked_for_by_another_device_is_shown_live(connect: Any, script: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=WIRE):
        async with (
            chatting(AblyChatTransport(connect("ann"), wire=WIRE)) as phone,
            chatting(AblyChatTransport(connect("ann"), wire=WIRE)) as laptop,
            chatting(AblyChatTransport(connect("bob"), wire=WIRE)) as bob,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(phone.send, "hold")
            for other in (laptop, bob):
                await shows(other, "hold", "you said hold")
            script.go_on.set()
            for other in (laptop, bob):
                await shows(other, "hold", "you said hold, and more")


async def test_an_answer_given_on_one_device_is_shown_on_the_others(
    connect: Any, script: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=WIRE):
        async with (
            chatting(AblyChatTransport(connect("ann"), wire=WIRE)) as phone,
            chatting(AblyChatTransport(connect("ann"), wire=WIRE)) as laptop,
        ):
            await phone.send("approve")
            await shows(laptop, "approve", "")
            *_, call = phone.messages[-1].parts
            assert isinstance(call, ToolPart)
            assert call.approval is not None
            await phone.add_tool_approval_response(call.approval.id, approved=True)
            await shows(laptop, "approve", "c0 allowed")
            states = [p.state for p in laptop.messages[-1].parts if p.type == "tool-rm"]
            assert states == ["output-available"]


async def test_several_replies_are_under_way_at_once(connect: Any, script: Any) -> None:
    names = ("ann", "bob", "eve")
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=WIRE):
        async with anyio.create_task_group() as tasks:

            async def ask(name: str) -> None:
                async with chatting(AblyChatTransport(connect(name), wire=WIRE)) as chat:
                    await chat.send(f"hold {name}")
                    said = [message.text for message in chat.messages]
                    assert f"you said hold {name}, and more" in said

            async with chatting(AblyChatTransport(connect("late"), wire=WIRE)) as late:
                for name in names:
                    tasks.start_soon(ask, name)
                with anyio.fail_after(10):
                    async for _ in late.updates():
                        if {m.text for m in late.messages} >= {f"you said hold {n}" for n in names}:
                            break
                assert len(script.runs) == 3
                assert script.closed == []
                script.go_on.set()


async def test_no_server_outlives_a_request(connect: Any, script: Any) -> None:
    async def function(invocation: Invocation) -> None:
        """What a platform without servers runs for one request, from nothing."""
        async with (
            Agent(script) as agent,
            AblyAgent(
                agent, connect("agent"), channels=["ai:*"], wire=WIRE, listens=False
            ) as serving,
        ):
            await serving.invoke(invocation.to_json())
            await serving.drain()

    transport = AblyChatTransport(connect("ann"), wire=WIRE, invoke=function)
    async with chatting(transport) as chat:
        await chat.send("hello")
        await chat.send("again")
        await chat.send("approve")
        assert [m.text for m in script.runs[1].messages] == ["hello", "you said hello", "again"]
        *_, call = chat.messages[-1].parts
        assert isinstance(call, ToolPart)
        assert call.approval == ToolApproval(id="a0")
        await chat.add_tool_approval_response(call.approval.id, approved=False)
        await shows(
            chat, "hello", "you said hello", "again", "you said again", "approve", "c0 denied"
        )
        await chat.regenerate()
    assert script.runs[-1].trigger == "regenerate-message"
    assert [m.text for m in script.runs[-1].messages][-2:] == ["you said again", "approve"]
