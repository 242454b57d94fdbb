"""An agent in JavaScript as users of `ably-ai-sdk-transport` write it, `streamText`, with our client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport import Chat, is_complete_with_tool_calls
from chat_transport.broker import RunningBroker
from chat_transport.messages import DynamicToolPart, ToolPart
from chat_transport.transports.ably import AblyChatTransport, AblyConnection

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]
Chatting = Callable[..., Any]

CHANNEL = "ait:conversation"
WIRE = "ai-sdk-transport"


@pytest.fixture
def ours(broker: RunningBroker, user_token: Callable[[str], str]) -> Callable[..., Any]:
    """Gives the transport of a person, not entered."""

    def make(name: str = "ann") -> AblyChatTransport:
        async def token() -> str:
            return user_token(name)

        connection = AblyConnection(token=token, endpoint=broker.address, tls=False)
        return AblyChatTransport(connection, wire=WIRE)

    return make


@pytest.fixture
def chatting(ours: Callable[..., Any]) -> Chatting:
    """Gives a person's chat while the block runs."""

    @asynccontextmanager
    async def make(name: str = "ann") -> AsyncIterator[Chat]:
        ask_on = is_complete_with_tool_calls
        async with ours(name) as transport:
            async with Chat(transport, id=CHANNEL, send_automatically_when=ask_on) as chat:
                with anyio.fail_after(60):
                    yield chat

    return make


@pytest.fixture
async def agent(js: Open) -> Any:
    return await js("streamtext", channel=CHANNEL, clientId="js-agent")


def calls(chat: Chat) -> list[ToolPart | DynamicToolPart]:
    return [p for p in chat.messages[-1].parts if isinstance(p, ToolPart | DynamicToolPart)]


def texts(chat: Chat) -> list[str]:
    return [message.text for message in chat.messages]


async def until(test: Callable[[], bool], chat: Chat) -> None:
    """Look again whenever the chat changes."""
    changed = anyio.Event()

    def wake() -> None:
        changed.set()

    forget = chat.subscribe(wake)
    try:
        with anyio.fail_after(20):
            while not test():
                await changed.wait()
                changed = anyio.Event()
    finally:
        forget()


async def test_two_messages_are_sent_and_answered(agent: Any, chatting: Chatting) -> None:
    async with chatting() as chat:
        await chat.send("hello")
        await chat.send("again")
        said = ["hello", "answer 1 to hello", "again", "answer 2 to again"]
        assert texts(chat) == said
        assert chat.status == "ready"
    async with chatting("bob") as late:
        await late.load_history()
        assert texts(late) == said
    assert [event["messages"] for event in agent.events if event["event"] == "asked"] == [1, 3]


async def test_a_stop_reaches_the_model(agent: Any, chatting: Chatting) -> None:
    async with chatting() as chat:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat.send, "hold")
            await until(lambda: texts(chat)[-1:] == ["answer 1 to hold"], chat)
            await chat.stop()
        await agent.until_event("stopped")
        await chat.send("again")
        assert texts(chat)[-2:] == ["again", "answer 2 to again"]


async def test_a_regeneration_takes_the_place_of_the_answer(agent: Any, chatting: Chatting) -> None:
    async with chatting() as chat:
        await chat.send("hello")
        await chat.regenerate()
        assert texts(chat) == ["hello", "answer 2 to hello"]
    async with chatting("bob") as late:
        await late.load_history()
        assert texts(late) == ["hello", "answer 2 to hello"]
    asked = [event for event in agent.events if event["event"] == "asked"]
    assert asked[-1] == {"event": "asked", "trigger": "regenerate-message", "messages": 1}


async def test_a_tool_of_the_agent_is_shown_with_its_output(agent: Any, chatting: Chatting) -> None:
    async with chatting() as chat:
        await chat.send("weather")
        (call,) = calls(chat)
        assert (call.state, call.input) == ("output-available", {"city": "Oslo"})
        assert call.output == {"city": "Oslo", "sky": "clear"}
        assert chat.messages[-1].text == 'weather: {"city":"Oslo","sky":"clear"}'


async def test_a_tool_of_the_client_is_answered_and_the_agent_goes_on(
    agent: Any, chatting: Chatting
) -> None:
    async with chatting() as chat:
        await chat.send("pick")
        (call,) = calls(chat)
        assert (call.state, call.input) == ("input-available", {"of": "sky"})
        await chat.add_tool_output(call.tool_call_id, "blue")
        await until(lambda: 'pick: "blue"' in chat.messages[-1].text, chat)
        assert calls(chat)[0].output == "blue"


async def test_a_reload_goes_on_where_it_was(agent: Any, chatting: Chatting) -> None:
    async with chatting() as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "hold")
        await until(lambda: texts(chat)[-1:] == ["answer 1 to hold"], chat)
        async with chatting() as again:
            await again.load_history()
            assert texts(again) == ["hold", "answer 1 to hold"]
            tasks.start_soon(again.resume_stream)
            await until(lambda: again.status == "streaming", again)
            await agent.call("goOn", name="hold")
            await until(lambda: texts(again)[-1] == "answer 1 to hold, and more", again)
        await until(lambda: texts(chat)[-1] == "answer 1 to hold, and more", chat)


async def test_a_failure_is_told(agent: Any, chatting: Chatting) -> None:
    async with chatting() as chat:
        await chat.send("fail")
        assert chat.status == "error"
        await chat.send("hello")
        assert texts(chat)[-1] == "answer 1 to hello"


async def test_presence_shows_that_the_agent_comes_and_goes(
    js: Open, ours: Callable[..., Any]
) -> None:
    async with ours() as transport, transport.agent_presence(CHANNEL) as states:
        with anyio.fail_after(30):
            assert (await anext(states)).status == "offline"
            peer = await js("streamtext", channel=CHANNEL, clientId="js-agent")
            here = await anext(states)
            assert (here.status, here.client_id) == ("online", "js-agent")
            await peer.call("close")
            assert (await anext(states)).status == "offline"


async def test_what_another_person_asks_is_shown_live(agent: Any, chatting: Chatting) -> None:
    async with chatting() as ann, chatting("bob") as bob, anyio.create_task_group() as tasks:
        await bob.load_history()
        tasks.start_soon(ann.send, "hold")
        await until(lambda: texts(bob) == ["hold", "answer 1 to hold"], bob)
        await agent.call("goOn", name="hold")
        await until(lambda: texts(bob)[-1] == "answer 1 to hold, and more", bob)
        await ann.regenerate()
        await until(lambda: texts(bob) == ["hold", "answer 2 to hold, and more"], bob)
