"""The agent's end, with the real SDK over the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.agent.runtime import Agent
from chat_transport.broker import Limits, Namespace, RunningBroker, serve_broker
from chat_transport.chunks import (
    Abort,
    Error,
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import (
    LocalProtocolError,
    RequestRejected,
    StreamInterrupted,
    TransportClosed,
)
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transports.ably import (
    AblyAgent,
    AblyChatTransport,
    AblyConnection,
    AiTransportWire,
    OwnerPolicy,
    make_token,
)
from chat_transport.transports.ably.channel import HistoryReader

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"


def event_id(session: Any) -> str:
    """Give the event id of the newest input that the session sent."""
    return list(session.wire.conversation._triggers)[-1]


async def outgoing(transport: AblyChatTransport, text: str, ident: str) -> Any:
    """Publish an input without waking anybody."""
    session = await transport.session(CHAT)
    request = SendMessages(chat_id=CHAT, messages=[UIMessage.user(text, id=ident)])
    (sent,) = await session.prepare(request)
    await session.publish(sent)
    return sent


async def test_an_invocation_finds_its_trigger_in_history(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        sent = await outgoing(transport, "hello", "u1")
        async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
            with anyio.fail_after(10):
                woken = await agent.invoke(
                    {"inputEventId": sent.event_id, "sessionName": CHAT, "other": 1}
                )
                messages = await talk(transport, CHAT).answered()
    assert woken.run_id == script.runs[0].run_id
    assert messages[-1].text == "you said hello"


async def test_an_invocation_that_comes_before_its_input_waits_for_it(
    connect: Any, script: Any
) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        session = await transport.session(CHAT)
        request = SendMessages(chat_id=CHAT, messages=[UIMessage.user("hello", id="u1")])
        (sent,) = await session.prepare(request)
        async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(
                        agent.invoke, {"inputEventId": sent.event_id, "sessionName": CHAT}
                    )
                    await agent.serve(CHAT)
                    with session.reading(sent.input_id) as stream:
                        await session.publish(sent)
                        chunks = [chunk async for chunk in stream]
    assert isinstance(chunks[-1], Finish)
    assert len(script.runs) == 1


async def test_the_same_invocation_again_starts_nothing(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        sent = await outgoing(transport, "hello", "u1")
        body = {"inputEventId": sent.event_id, "sessionName": CHAT}
        with anyio.fail_after(10):
            async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
                first = await agent.invoke(body)
                second = await agent.invoke(body)
                await talk(transport, CHAT).answered()
            async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as another:
                third = await another.invoke(body)
    assert first == second == third
    assert len(script.runs) == 1


async def test_an_input_that_never_comes_is_a_404_in_time(connect: Any, script: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=["ai:*"], locate_s=0.2) as agent:
        with pytest.raises(RequestRejected, match="unable to find input 'nowhere'") as raised:
            await agent.invoke({"inputEventId": "nowhere", "sessionName": CHAT})
    assert (raised.value.status, raised.value.code) == (404, 104010)


@pytest.mark.parametrize(
    "body", [{}, {"inputEventId": "e"}, {"inputEventId": 1, "sessionName": "ai:x"}]
)
async def test_a_malformed_invocation_is_refused(connect: Any, script: Any, body: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
        with pytest.raises(LocalProtocolError, match="inputEventId"):
            await agent.invoke(body)


async def test_a_channel_that_is_not_served_is_forbidden(connect: Any, script: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
        with pytest.raises(RequestRejected, match="this agent serves") as raised:
            await agent.invoke({"inputEventId": "e", "sessionName": "private:x"})
    assert raised.value.status == 403


async def test_a_cancel_in_history_is_honoured(connect: Any, script: Any) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        sent = await outgoing(transport, "hold", "u1")
        session = await transport.session(CHAT)
        with session.reading(sent.input_id) as stream:
            await transport.stop(CHAT)
            async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
                with anyio.fail_after(10):
                    await agent.invoke({"inputEventId": sent.event_id, "sessionName": CHAT})
                    chunks = [chunk async for chunk in stream]
    assert [chunk.type for chunk in chunks] == ["start", "abort"]
    assert script.runs == []


async def test_somebody_else_may_not_stop_a_run(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as a, AblyChatTransport(connect("bob")) as b:
            with anyio.fail_after(10):
                async with a.send_messages(await talk(a, CHAT).request("hold", "u1")) as stream:
                    await script.is_waiting.wait()
                    await b.load_history(CHAT)
                    await b.stop(CHAT)
                    script.go_on.set()
                    chunks = [chunk async for chunk in stream]
    assert isinstance(chunks[-1], Finish)


async def test_a_trusted_role_may_stop_everybodys_runs(
    broker: RunningBroker, connect: Any, script: Any, talk: Any
) -> None:
    async def moderator() -> str:
        can = {"*": ["publish", "subscribe", "history", "presence"]}
        return make_token(
            "app.key:secret", client_id="mod", capability=can, roles={"*": "moderator"}
        )

    policy = OwnerPolicy(trusted_roles={"moderator"})
    async with AblyAgent(script, connect("agent"), channels=[CHAT], policy=policy):
        async with (
            AblyChatTransport(connect("alice")) as a,
            AblyChatTransport(connect(key=None, token=moderator)) as b,
        ):
            with anyio.fail_after(10):
                async with a.send_messages(await talk(a, CHAT).request("hold", "u1")) as stream:
                    await script.is_waiting.wait()
                    await b.stop(CHAT)
                    chunks = [chunk async for chunk in stream]
    assert isinstance(chunks[-1], Abort)


async def test_the_run_knows_who_asks_from_the_token(connect: Any, script: Any, talk: Any) -> None:
    async def token() -> str:
        can = {"*": ["publish", "subscribe", "history", "presence"]}
        return make_token("app.key:secret", client_id="ann", capability=can, roles={"ai:*": "boss"})

    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect(key=None, token=token)) as transport:
            await talk(transport, CHAT).say("hello", "u1")
    assert (script.runs[0].user.id, script.runs[0].user.role) == ("ann", "boss")


async def test_outputs_that_a_user_forges_are_not_believed(
    connect: Any, script: Any, talk: Any
) -> None:
    from chat_transport.codecs.ably.ai_transport.run_encoder import RunIdentity, ui_run_encoder

    forged = ui_run_encoder(
        RunIdentity(run_id="r", invocation_id="i", input_id="none"), new_id=lambda: "forged"
    )
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("mallory")) as transport:
            session = await transport.session(CHAT)
            for operation in [
                *forged.start(),
                *forged.encode(TextStart(id="t")),
                *forged.encode(TextEnd(id="t")),
                *forged.end(),
            ]:
                if hasattr(operation, "messages"):
                    await session.channel.publish(operation.messages, operation.key or "x")
            await talk(transport, CHAT).say("hello", "u1")
    assert [m.role for m in script.runs[0].messages] == ["user"]


async def test_a_failing_handler_ends_the_run_marked_and_closed(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            chunks = await one.say("raise", "u1")
            await one.settled()
            session = await transport.session(CHAT)
            (run,) = session.wire.conversation.runs()
    assert [chunk.type for chunk in chunks[-3:]] == ["text-end", "finish-step", "error"]
    assert isinstance(chunks[-1], Error)
    assert chunks[-1].error_text == "An error occurred."
    assert (run.state, run.reason, run.error_message) == ("ended", "error", "An error occurred.")


async def test_leaving_the_agent_ends_its_runs_for_the_readers(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        one = talk(transport, CHAT)
        with anyio.fail_after(10):
            async with AblyAgent(script, connect("agent"), channels=[CHAT]):
                stream = transport.send_messages(await one.request("hold", "u1"))
                reading = await stream.__aenter__()
                await script.is_waiting.wait()
            chunks = [chunk async for chunk in reading]
            await stream.__aexit__(None, None, None)
            messages = await one.settled()
    assert isinstance(chunks[-1], Abort)
    assert messages[-1].text == "you said hold"


@pytest.fixture
async def fleeting(anyio_backend: str) -> AsyncIterator[RunningBroker]:
    """A broker that forgets who is present at once when a socket dies."""
    limits = Limits(remain_present_ms=100, connection_state_ttl_ms=200)
    async with serve_broker(["app.key:secret"], limits=limits) as running:
        yield running


class Killed:
    """An agent that dies without a word: its connection is cut and never comes back."""

    def __init__(self, broker: RunningBroker, script: Any) -> None:
        self.connection = AblyConnection(
            key="app.key:secret", client_id="agent", endpoint=broker.address, tls=False
        )
        self._script = script
        self._broker = broker
        self._task: asyncio.Task[None] | None = None
        self.is_up = anyio.Event()

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._live())
        await self.is_up.wait()

    async def _live(self) -> None:
        async with AblyAgent(self._script, self.connection, channels=[CHAT]):
            self.is_up.set()
            await anyio.sleep_forever()

    def kill(self) -> None:
        assert self._task is not None
        client = self.connection._client
        assert client is not None
        name = client.connection_id
        # Nothing more can be sent: as far as the world knows, the process is gone.
        client._sdk.connection.connection_manager.transport.websocket.transport.abort()
        client._sdk.options.endpoint_is_dead = True
        manager = client._sdk.connection.connection_manager
        manager.start_connect = lambda: None
        self._broker.broker.faults.drop_sockets(name)

    async def bury(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_killed_agent_leaves_no_spinner(
    fleeting: RunningBroker, script: Any, talk: Any
) -> None:
    async with AblyChatTransport(
        AblyConnection(key="app.key:secret", client_id="a", endpoint=fleeting.address, tls=False)
    ) as transport:
        killed = Killed(fleeting, script)
        await killed.start()
        with anyio.fail_after(15):
            async with transport.agent_presence(CHAT) as states:
                request = await talk(transport, CHAT).request("hold", "u1")
                async with transport.send_messages(request) as stream:
                    await script.is_waiting.wait()
                    while (await anext(stream)).type != "text-delta":
                        pass
                    killed.kill()
                    with pytest.raises(StreamInterrupted, match="'agent' left") as raised:
                        await anext(stream)
                while (await anext(states)).status != "offline":
                    pass
        await killed.bury()
    assert raised.value.resumable


async def test_the_next_agent_closes_what_a_killed_one_left(
    fleeting: RunningBroker, script: Any, talk: Any
) -> None:
    def connection(name: str) -> AblyConnection:
        return AblyConnection(
            key="app.key:secret", client_id=name, endpoint=fleeting.address, tls=False
        )

    async with AblyChatTransport(connection("alice")) as transport:
        killed = Killed(fleeting, script)
        await killed.start()
        one = talk(transport, CHAT)
        with anyio.fail_after(15):
            async with transport.send_messages(await one.request("hold", "u1")) as stream:
                while (await anext(stream)).type != "text-delta":
                    pass
                killed.kill()
                async with AblyAgent(script, connection("agent"), channels=[CHAT]):
                    chunks = [chunk async for chunk in stream]
                    messages = await one.settled()
                    session = await transport.session(CHAT)
                    (run,) = session.wire.conversation.runs()
                    history = await HistoryReader(session.channel, None).next_page()
        await killed.bury()
    assert isinstance(chunks[-1], Error)
    assert "stopped before the reply was finished" in chunks[-1].error_text
    assert messages[-1].text == "you said hold"
    assert (run.state, run.reason) == ("ended", "error")
    statuses = [
        status
        for message in history
        if (status := (message.extras or {})["ai"]["transport"].get("status"))
    ]
    assert statuses == ["cancelled"]


async def test_a_rejected_append_is_repaired_and_nothing_is_lost(
    broker: RunningBroker, connect: Any, talk: Any
) -> None:
    words = [f"word-{number} " for number in range(300)]

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        yield TextStart(id="t")
        for word in words:
            yield TextDelta(id="t", delta=word)
            await anyio.lowlevel.checkpoint()
        yield TextEnd(id="t")
        yield FinishStep()

    broker.broker.faults.reject("append", every=3, times=5)
    async with AblyAgent(handler, connect("agent"), channels=[CHAT], window_s=0):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            request = await one.request("go", "u1")
            with anyio.fail_after(30):
                async with transport.send_messages(request) as stream:
                    # A hole in the middle that was mended replaces the text: it is told anew.
                    reducer = MessageReducer(message_id="none")
                    async for chunk in stream:
                        reducer.feed(chunk)
            messages = await one.settled()
    assert messages[-1].text == reducer.message.text == "".join(words)
    assert broker.broker.faults.rejections[0].times == 0


async def test_a_rate_limit_slows_a_reply_down_and_loses_nothing(
    broker: RunningBroker, connect: Any, talk: Any
) -> None:
    for kind in ("publish", "append", "update"):
        broker.broker.faults.reject(
            kind, every=3, times=2, code=42911, status=429, message="rate limit exceeded"
        )

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for number in range(60):
            yield ToolInputAvailable(tool_call_id=f"c{number}", tool_name="n", input={"n": number})
            yield ToolOutputAvailable(tool_call_id=f"c{number}", output=number)

    async with AblyAgent(handler, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            request = await one.request("go", "u1")
            with anyio.fail_after(40):
                async with transport.send_messages(request) as stream:
                    chunks = [chunk async for chunk in stream]
    outputs = [chunk.output for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert outputs == list(range(60))
    assert broker.broker.faults.rejections[0].times == 0


async def test_a_namespace_without_appends_is_named_with_its_remedy(
    anyio_backend: str, script: Any, talk: Any
) -> None:
    rules = [Namespace("fixed", persisted=True)]
    async with serve_broker(["app.key:secret"], namespaces=rules) as running:

        def connection(name: str) -> AblyConnection:
            return AblyConnection(
                key="app.key:secret", client_id=name, endpoint=running.address, tls=False
            )

        async with AblyAgent(script, connection("agent"), channels=["fixed:chat"]):
            async with AblyChatTransport(connection("alice")) as transport:
                chunks = await talk(transport, "fixed:chat").say("hello", "u1")
    assert isinstance(chunks[-1], Error)
    assert "93002" in chunks[-1].error_text
    assert "Ably dashboard, app, Rules" in chunks[-1].error_text


async def test_what_is_too_large_for_ably_ends_the_run_with_words(connect: Any, talk: Any) -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
        yield ToolOutputAvailable(tool_call_id="c", output="x" * 80_000)
        yield TextStart(id="never")

    async with AblyAgent(handler, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            chunks = await talk(transport, CHAT).say("go", "u1")
    assert isinstance(chunks[-1], Error)
    assert "exceed" in chunks[-1].error_text


async def test_a_text_over_64_kib_goes_on_in_a_further_part(connect: Any, talk: Any) -> None:
    text = "".join(f"{number:07d} " for number in range(20_000))

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        for start in range(0, len(text), 1000):
            yield TextDelta(id="t", delta=text[start : start + 1000])
        yield TextEnd(id="t")

    async with AblyAgent(handler, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            chunks = await one.say("go", "u1")
            messages = await one.settled()
    assert "".join(c.delta for c in chunks if isinstance(c, TextDelta)) == text
    assert messages[-1].text == text
    assert len(messages[-1].parts) > 3


async def test_an_open_agent_is_borrowed(connect: Any, script: Any, talk: Any) -> None:
    async with Agent(script) as agent:
        async with AblyAgent(agent, connect("agent"), channels=[CHAT]):
            async with AblyChatTransport(connect("alice")) as transport:
                await talk(transport, CHAT).say("hello", "u1")
        assert agent.active() == []
    ably = AblyAgent(script, connect("agent"))
    with pytest.raises(TransportClosed, match="not entered"):
        await ably.serve(CHAT)


async def test_steps_can_be_written_as_javascript_does(
    connect: Any, script: Any, talk: Any
) -> None:
    wire = AiTransportWire(implicit_steps=True)
    async with AblyAgent(script, connect("agent"), channels=[CHAT], wire=wire):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            chunks = await one.say("hello", "u1")
            await one.settled()
            session = await transport.session(CHAT)
            history = await HistoryReader(session.channel, None).next_page()
    assert isinstance(chunks[-1], Finish)
    names = [message.name for message in reversed(history)]
    assert names[:3] == ["ai-input", "ai-run-start", "ai-step-start"]
    assert names[-2:] == ["ai-step-end", "ai-run-end"]


async def test_channels_are_a_list(connect: Any, script: Any) -> None:
    with pytest.raises(TypeError, match=r"channels='ai:demo'; give a list, \['ai:demo'\]"):
        AblyAgent(script, connect("agent"), channels="ai:demo")
