"""Agents that live for one input, on the wires that know no invocations: woken by what they name.

The input's id is the prompt's, the call's or the message's own; the rest is as on `ai-transport`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from chat_transport.chat import Chat
from chat_transport.errors import RequestRejected
from chat_transport.messages import ToolPart
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection, Invocation

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"
WIRES = ["ai-transport", "message-per-response", "message-per-token", "ai-sdk-transport"]


class Function:
    """As a serverless function: an agent is made for each invocation, and goes when it is done."""

    def __init__(self, connect: Callable[..., AblyConnection], script: Any, wire: str) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._connect = connect
        self._script = script
        self._wire = wire

    async def __call__(self, invocation: Invocation) -> None:
        self.bodies.append(dict(invocation.to_json()))
        await self.invoke(self.bodies[-1])

    async def invoke(self, body: dict[str, Any]) -> str | None:
        async with AblyAgent(
            self._script,
            self._connect("agent"),
            channels=["ai:*"],
            wire=self._wire,
            listens=False,
            locate_s=0.5,
        ) as agent:
            woken = await agent.invoke(body)
            await agent.drain()
        return woken.run_id


@pytest.fixture(params=WIRES)
async def woken(
    request: pytest.FixtureRequest, connect: Any, script: Any
) -> AsyncIterator[tuple[Function, Chat]]:
    function = Function(connect, script, request.param)
    async with (
        AblyChatTransport(connect("ann"), wire=request.param, invoke=function) as transport,
        Chat(transport, id=CHAT) as chat,
    ):
        with anyio.fail_after(20):
            yield function, chat


async def until(chat: Chat, *texts: str) -> None:
    async for _ in chat.updates():
        if chat.status == "ready" and [message.text for message in chat.messages] == [*texts]:
            return


async def test_a_prompt_wakes_the_agent_and_the_next_sees_the_chat(
    woken: tuple[Function, Chat], script: Any
) -> None:
    function, chat = woken
    await chat.send("one")
    await chat.send("two")
    await until(chat, "one", "you said one", "two", "you said two")
    assert [message.text for message in script.runs[1].messages] == ["one", "you said one", "two"]
    assert len(function.bodies) == 2


async def test_the_same_invocation_again_starts_nothing(
    woken: tuple[Function, Chat], script: Any
) -> None:
    function, chat = woken
    await chat.send("one")
    assert await function.invoke(function.bodies[0]) == script.runs[0].run_id
    assert len(script.runs) == 1


async def test_an_input_that_is_not_on_the_channel_is_refused(
    woken: tuple[Function, Chat], script: Any
) -> None:
    function, _ = woken
    with pytest.raises(RequestRejected, match="unable to find input 'none'"):
        await function.invoke({"inputEventId": "none", "sessionName": CHAT})
    assert script.runs == []


async def test_a_decision_wakes_an_agent_that_goes_on_with_the_reply(
    woken: tuple[Function, Chat], script: Any
) -> None:
    function, chat = woken
    if "approval" in chat.transport.capabilities.refuses:
        pytest.skip("no word for an approval on this wire: `capabilities.refuses`")
    await chat.send("approve")
    asked = next(part for part in chat.messages[-1].parts if isinstance(part, ToolPart))
    assert asked.approval is not None
    await chat.add_tool_approval_response(asked.approval.id, approved=True)
    await chat.send()
    await until(chat, "approve", "c0 allowed")
    assert len(script.runs) == len(function.bodies) == 2
