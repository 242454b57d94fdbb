"""A step that is tried again, between the two languages: the winning attempt is all there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chat import Chat
from chat_transport.chunks import StartStep, TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.inputs import Reconnect
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]


class ModelOut(Exception):  # a model's words, not ours
    """What the scripted model raises."""


class Retrying:
    """A handler whose second step fails in mid-word; the retry waits for the test."""

    def __init__(self) -> None:
        self.go_on = anyio.Event()
        self.end = anyio.Event()

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("plan"):
            for chunk in words("the plan: "):
                yield chunk
        for attempt in ("half", "the whole"):
            try:
                async with run.step("answer"):
                    for chunk in words(attempt)[:-1]:
                        yield chunk
                    if attempt == "half":
                        await self._fail()
                    await self.end.wait()
            except ModelOut:
                await self.go_on.wait()

    async def _fail(self) -> None:
        raise ModelOut


def words(text: str) -> list[UIMessageChunk]:
    return [StartStep(), TextStart(id="t"), TextDelta(id="t", delta=text), TextEnd(id="t")]


def connection(broker: RunningBroker, key: str, client_id: str) -> AblyConnection:
    return AblyConnection(key=key, client_id=client_id, endpoint=broker.address, tls=False)


def shape(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [(part["type"], part.get("text", "")) for part in message["parts"]]


WON = [("step-start", ""), ("text", "the plan: "), ("step-start", ""), ("text", "the whole")]


async def test_javascript_clients_show_the_winning_attempt_of_a_python_agent(
    js: Open, broker: RunningBroker, ably_key: str
) -> None:
    handler = Retrying()
    async with AblyAgent(handler, connection(broker, ably_key, "py-agent"), channels=["ai:1"]):
        alice = await js("client", channel="ai:1", clientId="alice")
        bob = await js("client", channel="ai:1", clientId="bob")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: alice.call("send", text="hello"))
            for client in (alice, bob):
                await client.call("untilText", text="half")
            handler.go_on.set()
            for client in (alice, bob):
                await client.call("untilText", text="the whole")
            late = await js("client", channel="ai:1", clientId="carol")  # joins in mid-attempt
            await late.call("loadAll")
            await late.call("untilText", text="the whole")
            for client in (alice, bob, late):
                _, reply = await client.call("viewMessages")
                assert ("text", "half") not in shape(reply)
            handler.end.set()
        for client in (alice, bob, late):
            await client.call("untilIdle", replies=1)
            _, reply = await client.call("viewMessages")
            assert shape(reply) == WON
        _, own = await alice.call("chatMessages")  # what `useChat` shows when the reply is over
        assert shape(own) == WON
        async with AblyChatTransport(connection(broker, ably_key, "dan")) as transport:
            history = await transport.load_history("ai:1")
        assert shape(history.messages[-1].to_wire()) == WON
        assert history.messages[-1].id == own["id"]


async def test_a_python_client_shows_the_winning_attempt_of_a_javascript_agent(
    js: Open, broker: RunningBroker, ably_key: str
) -> None:
    agent = await js("agent")
    alice = AblyChatTransport(connection(broker, ably_key, "alice"), invoke=agent.url)
    bob = AblyChatTransport(connection(broker, ably_key, "bob"))
    seen: list[str] = []
    async with alice, bob, Chat(alice, id="ai:1") as chat:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: chat.send("retry"))
                async for _ in chat.updates():
                    seen.append(chat.messages[-1].text)
                    if "half" in seen[-1]:
                        break
                async with bob.reconnect_to_stream(Reconnect(chat_id="ai:1")) as stream:
                    assert stream is not None
                    await agent.call("goOn")
                    late = MessageReducer(message_id="late")
                    async for chunk in stream:
                        late.feed(chunk)
        assert chat.messages[-1].text == "the plan: the whole"
        history = await alice.load_history("ai:1")
    # The JavaScript agent makes a message of each attempt; the one that lost is gone.
    assert [m.text for m in history.messages] == ["retry", "the plan: ", "the whole"]
    assert late.message.text == "the plan: the whole"
    assert seen[-1] == "the plan: half"
