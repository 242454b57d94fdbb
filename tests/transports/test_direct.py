"""The direct transport beyond the kit: paging, observers that fall behind, who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from chat_transport.agent.run import Run, User
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import (
    TextDelta,
    TextEnd,
    TextStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import RequestRejected, TransportClosed
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import ToolApproval, ToolPart, UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.transport import MessageSeen, MessagesReplaced, RunSeen
from chat_transport.transports import direct
from chat_transport.transports.direct import DirectChatTransport, DirectHost

pytestmark = pytest.mark.anyio


async def echo(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    yield TextDelta(id="t", delta=f"re {run.messages[-1].text} for {run.user.id}")
    yield TextEnd(id="t")


def prompt(text: str, message_id: str) -> SendMessages:
    return SendMessages(chat_id="chat", messages=[UIMessage.user(text, id=message_id)])


async def ask(client: DirectChatTransport, wish: SendMessages) -> None:
    with anyio.fail_after(5):
        async with client.send_messages(wish) as stream:
            async for _chunk in stream:
                pass


async def test_the_agents_end_knows_who_a_client_speaks_for() -> None:
    async with Agent(echo) as agent:
        host = DirectHost(agent)
        async with DirectChatTransport(host, user=User(id="ada")) as client:
            await ask(client, prompt("a", "u1"))
        assert [message.text for message in host.messages("chat")] == ["a", "re a for ada"]
        assert host.messages("other") == ()
        host.forget("chat")
        assert host.messages("chat") == ()


async def test_a_known_conversation_goes_on() -> None:
    past = [UIMessage.user("before", id="u0")]
    async with Agent(echo) as agent:
        host = DirectHost(agent, chats={"chat": past})
        async with DirectChatTransport(host) as client:
            await ask(client, prompt("a", "u1"))
            history = await client.load_history("chat")
    assert [message.text for message in history.messages] == ["before", "a", "re a for None"]


async def test_an_agent_that_is_not_open_refuses() -> None:
    async with DirectChatTransport(Agent(echo)) as client:
        with pytest.raises(RequestRejected, match="not open") as refused:
            async with client.send_messages(prompt("a", "u1")):
                pass
    assert refused.value.status == 503


async def test_every_call_needs_an_open_transport() -> None:
    client = DirectChatTransport(Agent(echo))
    with pytest.raises(TransportClosed):
        await client.stop("chat")
    with pytest.raises(TransportClosed):
        await client.load_history("chat")
    with pytest.raises(TransportClosed):
        client.observe("chat")
    with pytest.raises(TransportClosed):
        async with client.reconnect_to_stream(Reconnect(chat_id="chat")):
            pass


async def test_an_unknown_cursor_gives_nothing_older() -> None:
    async with Agent(echo) as agent, DirectChatTransport(agent) as client:
        await ask(client, prompt("a", "u1"))
        page = await client.load_history("chat", before="never heard of")
    assert (list(page.messages), page.has_older) == ([], False)


async def test_observers_are_told_how_the_conversation_changed() -> None:
    async with Agent(echo) as agent:
        host = DirectHost(agent)
        async with DirectChatTransport(host) as client, DirectChatTransport(host) as watcher:
            async with watcher.observe("chat") as changes:
                await ask(client, prompt("a", "u1"))
                await ask(client, prompt("b", "u2"))
                answers = [message.id for message in host.messages("chat")]
                again = SendMessages(
                    chat_id="chat",
                    messages=host.messages("chat")[:3],
                    trigger="regenerate-message",
                    message_id=answers[3],
                )
                await ask(client, again)
                await ask(client, prompt("better", "u1"))
                with anyio.fail_after(5):
                    seen = [await anext(changes) for _ in range(7)]
    assert seen[0] == MessageSeen(message=UIMessage.user("a", id="u1"))
    assert seen[2] == MessageSeen(message=UIMessage.user("b", id="u2"), after_id=answers[1])
    assert seen[5] == MessagesReplaced(messages=(UIMessage.user("better", id="u1"),))
    runs = [change for change in seen if isinstance(change, RunSeen)]
    assert [run.replaces_id for run in runs] == [None, None, answers[3], None]


async def test_an_observer_that_falls_behind_gets_the_whole_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(direct, "CHANGES_KEPT", 4)
    async with Agent(echo) as agent:
        host = DirectHost(agent)
        async with DirectChatTransport(host) as client, DirectChatTransport(host) as watcher:
            async with watcher.observe("chat") as changes:
                for number in range(3):
                    await ask(client, prompt(str(number), f"u{number}"))
                with anyio.fail_after(5):
                    first, second = await anext(changes), await anext(changes)
    assert isinstance(first, MessagesReplaced)
    assert [message.text for message in first.messages][-1] == "2"
    assert isinstance(second, RunSeen)


async def test_after_the_block_nothing_is_watched() -> None:
    async with Agent(echo) as agent:
        host = DirectHost(agent)
        async with DirectChatTransport(host) as watcher:
            async with watcher.observe("chat"):
                pass
        assert host._chats["chat"].watches == []


async def test_a_reply_whose_prompt_was_cut_away_goes_with_it() -> None:
    go = anyio.Event()

    async def slow(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        if run.messages[-1].id == "u2":
            await go.wait()

    with anyio.fail_after(5):
        async with Agent(slow) as agent:
            host = DirectHost(agent)
            async with DirectChatTransport(host) as client:
                await ask(client, prompt("a", "u1"))
                async with client.send_messages(prompt("b", "u2")):
                    await ask(client, prompt("a, but better", "u1"))
                    go.set()
                    await agent.drain()
            ids = [message.role for message in host.messages("chat")]
    assert ids == ["user", "assistant"]


async def test_a_resumed_reply_that_goes_on_with_an_answered_call_is_told_whole() -> None:
    asked = UIMessage.model_validate(
        {
            "id": "a1",
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {"type": "text", "text": "May I?", "state": "done"},
                {
                    "type": "tool-send",
                    "toolCallId": "c1",
                    "state": "approval-requested",
                    "input": {"to": "ada"},
                    "approval": {"id": "ap1"},
                },
            ],
        }
    )
    *before, call = asked.parts
    assert isinstance(call, ToolPart)
    answer = call.model_copy(
        update={"state": "approval-responded", "approval": ToolApproval(id="ap1", approved=True)}
    )
    begun, go_on = anyio.Event(), anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        begun.set()
        await go_on.wait()
        yield ToolOutputAvailable(tool_call_id="c1", output="sent")

    wish = SendMessages(
        chat_id="chat",
        messages=[
            UIMessage.user("send it", id="u1"),
            asked.model_copy(update={"parts": [*before, answer]}),
        ],
        message_id="a1",
    )
    reducer = MessageReducer(message_id="unnamed", reset_on_first_start=True)
    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            host = DirectHost(agent, chats={"chat": [UIMessage.user("send it", id="u1"), asked]})
            async with DirectChatTransport(host) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(ask, client, wish)
                await begun.wait()
                async with client.reconnect_to_stream(Reconnect(chat_id="chat")) as stream:
                    assert stream is not None
                    go_on.set()
                    while chunks := await stream.drain():
                        for chunk in chunks:
                            reducer.feed(chunk)
    assert reducer.message.id == "a1"
    assert reducer.message.text == "May I?"
    (settled,) = [part for part in reducer.message.parts if isinstance(part, ToolPart)]
    assert (settled.state, settled.output) == ("output-available", "sent")


async def test_a_bare_handler_is_no_agent():
    with pytest.raises(TypeError, match=r"give an Agent\(handler\)"):
        DirectChatTransport(echo)
