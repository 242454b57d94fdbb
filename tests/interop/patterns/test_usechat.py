"""useChat's chat in JavaScript, on the wire of the older `ably-ai-sdk-transport`, with our agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from chat_transport import Chat
from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chunks import (
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.messages import ToolPart
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, AblyConnection

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]
Open = Callable[..., Awaitable[Any]]

CHANNEL = "ai:conversation"
WIRE = "ai-sdk-transport"


class Scripted:
    """Answers by what was asked; `hold` waits for `go_on`."""

    def __init__(self) -> None:
        self.go_on = anyio.Event()
        self.is_closed = anyio.Event()
        self.runs: list[Run] = []

    async def __call__(self, run: Run) -> AsyncIterator[UIMessageChunk]:
        self.runs.append(run)
        last = run.messages[-1]
        yield StartStep()
        if last.role == "assistant":
            (call,) = [part for part in last.parts if isinstance(part, ToolPart)]
            text = f"you picked {call.output}"
        elif last.text == "pick":
            yield ToolInputAvailable(
                tool_call_id="c1", tool_name="pick_colour", input={"of": "sky"}
            )
            yield FinishStep()
            return
        elif last.text == "weather":
            yield ReasoningStart(id="r")
            yield ReasoningDelta(id="r", delta="look outside")
            yield ReasoningEnd(id="r")
            yield ToolInputStart(tool_call_id="w1", tool_name="weather")
            yield ToolInputDelta(tool_call_id="w1", input_text_delta='{"city":"Oslo"}')
            yield ToolInputAvailable(tool_call_id="w1", tool_name="weather", input={"city": "Oslo"})
            yield ToolOutputAvailable(tool_call_id="w1", output={"sky": "clear"})
            yield FinishStep()
            yield StartStep()
            text = "clear sky"
        else:
            text = f"answer {len(self.runs)} to {last.text}"
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=text)
        if last.text == "hold":
            try:
                await self.go_on.wait()
            finally:
                self.is_closed.set()
            yield TextDelta(id="t", delta=", and more")
        yield TextEnd(id="t")
        yield FinishStep()


@pytest.fixture
def script() -> Scripted:
    return Scripted()


@pytest.fixture
async def agent(broker: RunningBroker, ably_key: str, script: Scripted) -> AsyncIterator[AblyAgent]:
    connection = AblyConnection(
        key=ably_key, client_id="ai-agent", endpoint=broker.address, tls=False
    )
    async with AblyAgent(script, connection, channels=[CHANNEL], wire=WIRE) as serving:
        yield serving


def texts(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (m["role"], "".join(p.get("text", "") for p in m["parts"] if p["type"] == "text"))
        for m in messages
    ]


async def test_two_messages_are_sent_and_answered(js: Open, agent: AblyAgent) -> None:
    client = await js("usechat", channel=CHANNEL, clientId="ann")
    assert (await client.call("send", text="hello"))["status"] == "ready"
    assert (await client.call("send", text="again"))["status"] == "ready"
    assert texts(await client.call("messages")) == [
        ("user", "hello"),
        ("assistant", "answer 1 to hello"),
        ("user", "again"),
        ("assistant", "answer 2 to again"),
    ]


async def test_a_regeneration_takes_the_place_of_the_answer(js: Open, agent: AblyAgent) -> None:
    client = await js("usechat", channel=CHANNEL, clientId="ann")
    await client.call("send", text="hello")
    await client.call("regenerate")
    assert texts(await client.call("messages")) == [
        ("user", "hello"),
        ("assistant", "answer 2 to hello"),
    ]


async def test_a_stop_reaches_the_model(js: Open, agent: AblyAgent, script: Scripted) -> None:
    client = await js("usechat", channel=CHANNEL, clientId="ann")
    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            await client.call("send", text="hold")

        tasks.start_soon(send)
        await client.call("untilText", text="answer 1 to hold")
        await client.call("stop")
        with anyio.fail_after(15):
            await script.is_closed.wait()
    assert not script.go_on.is_set()
    assert (await client.call("send", text="again"))["status"] == "ready"


async def test_tools_of_the_agent_and_of_the_client(js: Open, agent: AblyAgent) -> None:
    client = await js("usechat", channel=CHANNEL, clientId="ann")
    await client.call("send", text="weather")
    parts = (await client.call("messages"))[-1]["parts"]
    (tool,) = [part for part in parts if part["type"] == "tool-weather"]
    assert (tool["state"], tool["input"]) == ("output-available", {"city": "Oslo"})
    assert tool["output"] == {"sky": "clear"}
    assert [part["text"] for part in parts if part["type"] == "reasoning"] == ["look outside"]
    await client.call("send", text="pick")
    await client.call("toolOutput", tool="pick_colour", toolCallId="c1", output="blue")
    await client.call("untilText", text="you picked blue")


async def test_a_reload_goes_on_where_it_was(js: Open, agent: AblyAgent, script: Scripted) -> None:
    client = await js("usechat", channel=CHANNEL, clientId="ann")
    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            await client.call("send", text="hold")

        tasks.start_soon(send)
        await client.call("untilText", text="answer 1 to hold")
        again = await js("usechat", channel=CHANNEL, clientId="ann")
        assert await again.call("load") == {"messages": 1, "hasActiveStream": True}
        await again.call("resume")
        await again.call("untilText", text="answer 1 to hold")
        script.go_on.set()
        await again.call("resumed")
    said = [("user", "hold"), ("assistant", "answer 1 to hold, and more")]
    assert texts(await again.call("messages")) == said
    assert texts(await client.call("messages")) == said
    late = await js("usechat", channel=CHANNEL, clientId="bob")
    assert (await late.call("load"))["hasActiveStream"] is False


async def test_presence_is_shown(js: Open, agent: AblyAgent) -> None:
    client = await js("usechat", channel=CHANNEL, clientId="ann")
    await client.call("send", text="hello")
    await client.until_event("presence", 3)
    seen = [event for event in client.events if event["event"] == "presence"]
    assert {event["clientId"] for event in seen} == {"ai-agent"}
    assert {"online", "streaming"} <= {event["status"] for event in seen}


async def test_a_reply_that_another_device_asked_for_is_shown_live(
    js: Open, agent: AblyAgent, broker: RunningBroker, ably_key: str, script: Scripted
) -> None:
    watcher = AblyConnection(key=ably_key, client_id="bob", endpoint=broker.address, tls=False)
    async with AblyChatTransport(watcher, wire=WIRE) as transport:
        async with Chat(transport, id=CHANNEL) as chat, anyio.create_task_group() as tasks:
            await chat.load_history()
            client = await js("usechat", channel=CHANNEL, clientId="ann")

            async def send() -> None:
                await client.call("send", text="hold")

            tasks.start_soon(send)
            with anyio.fail_after(15):
                while "answer 1 to hold" not in [m.text for m in chat.messages]:
                    await anyio.lowlevel.checkpoint()
            script.go_on.set()
            with anyio.fail_after(15):
                while chat.messages[-1].text != "answer 1 to hold, and more":
                    await anyio.lowlevel.checkpoint()
