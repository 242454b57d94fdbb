"""Both ends of each wire without branches, with the real SDK over the broker."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport.chunks import is_terminal
from chat_transport.errors import NotSupported
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import ToolApproval
from chat_transport.transports.ably import AblyAgent, AblyChatTransport
from chat_transport.transports.ably.turns import WIRES

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"


@pytest.fixture(params=sorted(WIRES))
def wire(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_two_turns_are_answered_and_stay_in_history(
    connect: Any, script: Any, talk: Any, wire: str
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            one = talk(transport, CHAT)
            chunks = await one.say("hello", "u1")
            await one.say("again", "u2")
        assert is_terminal(chunks[-1])
        async with AblyChatTransport(connect("bob"), wire=wire) as transport:
            messages = await talk(transport, CHAT).answered(2)
    assert [(m.role, m.text) for m in messages] == [
        ("user", "hello"),
        ("assistant", "you said hello"),
        ("user", "again"),
        ("assistant", "you said again"),
    ]
    assert [m.text for m in script.runs[1].messages] == ["hello", "you said hello", "again"]


async def test_a_reply_goes_on_for_who_joins_in_its_middle(
    connect: Any, script: Any, talk: Any, wire: str
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            request = await talk(transport, CHAT).request("hold", "u1")
            with anyio.fail_after(10):
                async with transport.send_messages(request) as stream:
                    await script.is_waiting.wait()
                    async for chunk in stream:
                        if chunk.type == "text-delta":
                            break
        async with AblyChatTransport(connect("bob"), wire=wire) as transport:
            with anyio.fail_after(10):
                async with transport.reconnect_to_stream(Reconnect(chat_id=CHAT)) as stream:
                    assert stream is not None
                    script.go_on.set()
                    said = [chunk async for chunk in stream]
    text = "".join(chunk.delta for chunk in said if chunk.type == "text-delta")
    assert text == "you said hold, and more"
    assert said[0].type == "start"


async def test_a_stop_ends_the_reply(connect: Any, script: Any, talk: Any, wire: str) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            request = await talk(transport, CHAT).request("hold", "u1")
            with anyio.fail_after(10):
                async with transport.send_messages(request) as stream:
                    await script.is_waiting.wait()
                    await transport.stop(CHAT)
                    said = [chunk async for chunk in stream]
            assert said[-1].type == "abort"
            assert script.closed == [script.runs[0].run_id]


async def test_a_failure_is_told(connect: Any, script: Any, talk: Any, wire: str) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            said = await talk(transport, CHAT).say("raise", "u1")
    assert said[-1].type == "error"


@pytest.mark.parametrize("wire", ["message-per-response", "message-per-token"])
async def test_what_a_wire_has_no_word_for_is_refused(
    connect: Any, script: Any, talk: Any, wire: str
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            one = talk(transport, CHAT)
            await one.say("hello", "u1")
            again = SendMessages(
                chat_id=CHAT, messages=await one.messages(), trigger="regenerate-message"
            )
            with pytest.raises(NotSupported, match="send the question again"):
                await one.send(again)


async def test_a_regeneration_takes_the_place_of_the_answer(
    connect: Any, script: Any, talk: Any
) -> None:
    wire = "ai-sdk-transport"
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            one = talk(transport, CHAT)
            await one.say("hello", "u1")
            await one.send(
                SendMessages(
                    chat_id=CHAT, messages=await one.messages(), trigger="regenerate-message"
                )
            )
            messages = await one.settled()
    assert [m.role for m in messages] == ["user", "assistant"]
    assert script.runs[1].trigger == "regenerate-message"


@pytest.mark.parametrize(("decision", "told"), [(True, "allowed"), (False, "denied")])
async def test_an_approval_is_given_and_the_reply_goes_on(
    connect: Any, script: Any, talk: Any, decision: Any, told: str
) -> None:
    wire = "message-per-response"
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice"), wire=wire) as transport:
            one = talk(transport, CHAT)
            await one.say("approve", "u1")
            *before, reply = await one.messages()
            (part,) = [p for p in reply.parts if p.type.startswith("tool-")]
            answer = ToolApproval(id=part.approval.id, approved=decision)
            answered = part.model_copy(update={"state": "approval-responded", "approval": answer})
            parts = [answered if p is part else p for p in reply.parts]
            changed = reply.model_copy(update={"parts": parts})
            said = await one.send(SendMessages(chat_id=CHAT, messages=[*before, changed]))
    text = "".join(chunk.delta for chunk in said if chunk.type == "text-delta")
    assert text == f"c0 {told}"
