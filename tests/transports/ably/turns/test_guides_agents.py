"""Agents that speak as Ably's guides write them, without our marks, and what our chat makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport import Chat
from chat_transport.chunks import Finish
from chat_transport.codecs.ably.operations import OutboundMessage
from chat_transport.codecs.ably.response import ResponseNames
from chat_transport.inputs import Reconnect
from chat_transport.messages import ToolPart
from chat_transport.transports.ably import AblyChatTransport, AblyConnection
from chat_transport.transports.ably.channel import AblyChannel
from chat_transport.transports.ably.turns import ResponseWire

pytestmark = pytest.mark.anyio

CHAT = "ai:conversation"
PLAIN = ResponseWire(names=ResponseNames(response="response", complete=None), idle_s=0.05)
GUIDE = ResponseWire()


class Guide:
    """An agent's words on a channel, by hand."""

    def __init__(self, channel: AblyChannel, wire: ResponseWire) -> None:
        self._channel = channel
        self._names = wire.names
        self._count = 0

    async def put(self, name: str, data: Any = None, **headers: str) -> str:
        self._count += 1
        message = OutboundMessage(name=name, data=data, extras={"headers": headers})
        return (await self._channel.publish((message,), f"guide-{self._count}"))[0]

    async def begin(self, prompt_id: str | None, text: str) -> str:
        """Begin a reply and say something; gives its serial."""
        headers = {} if prompt_id is None else {"promptId": prompt_id}
        serial = await self.put(self._names.response, "", **headers)
        await self.grow(serial, prompt_id, text)
        return serial

    async def grow(self, serial: str, prompt_id: str | None, text: str) -> None:
        headers = {} if prompt_id is None else {"promptId": prompt_id}
        more = OutboundMessage(name="", data=text, extras={"headers": headers})
        await self._channel.change("append", more, serial)

    async def ask(self, call: str) -> None:
        await self.put("approval-request", {"name": "rm", "arguments": "{}"}, toolCallId=call)


@pytest.fixture
def guide(connect: Callable[[str], AblyConnection]) -> Any:
    @asynccontextmanager
    async def open_guide(wire: ResponseWire) -> AsyncIterator[Guide]:
        async with AblyChatTransport(connect("ai-agent"), wire=wire) as transport:
            yield Guide((await transport.session(CHAT)).channel, wire)

    return open_guide


async def until(chat: Chat, holds: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not holds():
            await anyio.lowlevel.checkpoint()


def states(chat: Chat) -> list[str]:
    calls = [part for part in chat.messages[-1].parts if isinstance(part, ToolPart)]
    return [call.state for call in calls]


def published(broker: Any, name: str) -> list[Any]:
    channel = broker.broker.apps["app"].channels.get(CHAT)
    entries = channel.log.entries if channel is not None else ()
    items = [item for entry in entries for item in entry.items]
    return [item for item in items if getattr(item, "name", None) == name]


async def test_a_reply_whose_end_nobody_marks_ends_in_silence(
    guide: Any, connect: Any, broker: Any
) -> None:
    async with guide(PLAIN) as agent, AblyChatTransport(connect("ann"), wire=PLAIN) as transport:
        async with Chat(transport, id=CHAT) as chat, anyio.create_task_group() as tasks:
            prompt = await asked(broker, chat, tasks, "hello")
            serial = await agent.begin(prompt, "one")
            await until(chat, lambda: [m.text for m in chat.messages] == ["hello", "one"])
            await until(chat, lambda: chat.status == "ready")
            # It was only a pause: what comes after goes on in the same message.
            await agent.grow(serial, prompt, ", two")
            await until(chat, lambda: chat.messages[-1].text == "one, two")
            await until(chat, lambda: chat.status == "ready")
            assert len(chat.messages) == 2


async def test_silence_ends_what_a_latecomer_follows_and_what_is_long_past(
    guide: Any, connect: Any
) -> None:
    async with guide(PLAIN) as agent:
        await agent.begin(None, "nobody asked")
        async with AblyChatTransport(connect("bob"), wire=PLAIN) as transport:
            async with transport.reconnect_to_stream(Reconnect(chat_id=CHAT)) as stream:
                with anyio.fail_after(10):
                    chunks = [chunk async for chunk in stream] if stream is not None else []
        if chunks:  # else the silence was over before it came to look
            assert chunks[-1] == Finish(finish_reason="other")
        at_once = ResponseWire(names=PLAIN.names, idle_s=0.0)
        async with AblyChatTransport(connect("eve"), wire=at_once) as transport:
            history = await transport.load_history(CHAT)
    assert history.active_run_id is None
    assert [message.text for message in history.messages] == ["nobody asked"]


async def test_two_questions_at_once_are_both_seen_and_answered(
    guide: Any, connect: Any, broker: Any
) -> None:
    async with guide(GUIDE) as agent, AblyChatTransport(connect("ann"), wire=GUIDE) as transport:
        async with Chat(transport, id=CHAT) as chat, anyio.create_task_group() as tasks:
            prompt = await asked(broker, chat, tasks, "clean up")
            serial = await agent.begin(prompt, "let me see")
            await agent.ask("c1")
            await agent.ask("c2")
            await until(chat, lambda: states(chat) == ["approval-requested"] * 2)
            await until(chat, lambda: chat.status == "ready")
            await chat.add_tool_approval_response("c1", approved=True)
            await chat.add_tool_approval_response("c2", approved=False)
            tasks.start_soon(chat.send)
            await until(chat, lambda: len(published(broker, "approval-response")) == 2)
            await agent.grow(serial, prompt, "\n\ndone")
            await agent.put("agent-response-complete", promptId=prompt)
            await until(chat, lambda: chat.status == "ready" and "done" in chat.messages[-1].text)
            assert states(chat) == ["output-available", "output-denied"]
        history = await transport.load_history(CHAT)
    assert [message.text for message in history.messages] == ["clean up", "let me see\n\ndone"]


async def test_a_decision_about_an_earlier_reply_is_sent_and_no_prompt_twice(
    guide: Any, connect: Any, broker: Any
) -> None:
    async with guide(GUIDE) as agent, AblyChatTransport(connect("ann"), wire=GUIDE) as transport:
        async with Chat(transport, id=CHAT) as chat, anyio.create_task_group() as tasks:
            first = await asked(broker, chat, tasks, "one")
            serial = await agent.begin(first, "let me see")
            await agent.ask("c1")
            await until(chat, lambda: chat.status == "ready" and bool(states(chat)))
            second = await asked(broker, chat, tasks, "two")
            await agent.begin(second, "yes")
            await agent.put("agent-response-complete", promptId=second)
            await until(chat, lambda: chat.status == "ready" and len(chat.messages) == 4)
            await chat.add_tool_approval_response("c1", approved=True)
            tasks.start_soon(chat.send)
            await until(chat, lambda: len(published(broker, "approval-response")) == 1)
            await agent.grow(serial, first, "\n\ndone")
            await agent.put("agent-response-complete", promptId=first)
            await until(chat, lambda: chat.status == "ready" and "done" in chat.messages[1].text)
            texts = [message.text for message in chat.messages]
    assert texts == ["one", "let me see\n\ndone", "two", "yes"]
    assert len(published(broker, "user-input")) == 2


async def test_an_unsent_decision_goes_before_the_next_prompt(
    guide: Any, connect: Any, broker: Any
) -> None:
    async with guide(GUIDE) as agent, AblyChatTransport(connect("ann"), wire=GUIDE) as transport:
        async with Chat(transport, id=CHAT) as chat, anyio.create_task_group() as tasks:
            first = await asked(broker, chat, tasks, "one")
            serial = await agent.begin(first, "let me see")
            await agent.ask("c1")
            await until(chat, lambda: chat.status == "ready" and bool(states(chat)))
            await chat.add_tool_approval_response("c1", approved=False)
            await transport_send(transport, chat, tasks, "two")
            await until(chat, lambda: len(published(broker, "user-input")) == 2)
            assert len(published(broker, "approval-response")) == 1
            # The reply to the first prompt goes on, and is shown although the second one is read.
            await agent.grow(serial, first, "\n\nnot done")
            await agent.put("agent-response-complete", promptId=first)
            await until(chat, lambda: "not done" in chat.messages[1].text)
            assert states_of(chat, 1) == ["output-denied"]
            tasks.cancel_scope.cancel()


async def transport_send(transport: AblyChatTransport, chat: Chat, tasks: Any, text: str) -> None:
    """Ask on, as an application does that keeps no queue of answers."""
    from chat_transport.inputs import SendMessages
    from chat_transport.messages import UIMessage

    request = SendMessages(
        chat_id=CHAT, messages=[*chat.messages, UIMessage.user(text, id="by-hand")]
    )

    async def ask() -> None:
        async with transport.send_messages(request) as stream:
            async for _ in stream:
                pass

    tasks.start_soon(ask)


def states_of(chat: Chat, place: int) -> list[str]:
    return [part.state for part in chat.messages[place].parts if isinstance(part, ToolPart)]


async def asked(broker: Any, chat: Chat, tasks: Any, text: str) -> str:
    """Send in the background; gives the prompt's id once it is on the channel."""
    count = len(published(broker, "user-input"))
    tasks.start_soon(chat.send, text)
    await until(chat, lambda: len(published(broker, "user-input")) > count)
    return [message.id for message in chat.messages if message.role == "user"][-1]
