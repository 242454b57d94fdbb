"""The client's end, with the real SDK over the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from chat_transport.agent.run import Run
from chat_transport.broker import RunningBroker
from chat_transport.chat import Chat
from chat_transport.chunks import (
    Abort,
    Finish,
    TextDelta,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import LocalProtocolError, RequestRejected, TransportClosed
from chat_transport.inputs import Reconnect, SendMessages
from chat_transport.messages import TextPart, ToolApproval, ToolPart, UIMessage
from chat_transport.predicates import is_complete_with_approval_responses
from chat_transport.transport import MessageSeen, RunSeen
from chat_transport.transports.ably import AblyAgent, AblyChatTransport, Invocation

pytestmark = pytest.mark.anyio

CHAT = "ai:chat"


async def test_a_reply_streams_to_the_one_who_asked(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            chunks = await talk(transport, CHAT).say("hello", "u1")
    assert [chunk.type for chunk in chunks] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert isinstance(chunks[3], TextDelta)
    assert chunks[3].delta == "you said hello"


async def test_the_stream_names_the_run(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            request = await talk(transport, CHAT).request("hello", "u1")
            with anyio.fail_after(10):
                async with transport.send_messages(request) as stream:
                    async for _ in stream:
                        assert stream.run_id == script.runs[0].run_id


async def test_history_holds_both_sides_and_the_next_turn_sees_it(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            await one.say("hello", "u1")
            await one.say("again", "u2")
        async with AblyChatTransport(connect("bob")) as transport:
            messages = await talk(transport, CHAT).settled()
    assert [(m.role, m.text) for m in messages] == [
        ("user", "hello"),
        ("assistant", "you said hello"),
        ("user", "again"),
        ("assistant", "you said again"),
    ]
    assert [m.text for m in script.runs[1].messages] == ["hello", "you said hello", "again"]


async def test_a_client_that_has_not_loaded_history_continues_the_conversation(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            await talk(transport, CHAT).say("hello", "u1")
        async with AblyChatTransport(connect("alice")) as transport:
            fresh = SendMessages(chat_id=CHAT, messages=[UIMessage.user("again", id="u2")])
            await talk(transport, CHAT).send(fresh)
    assert [m.text for m in script.runs[1].messages] == ["hello", "you said hello", "again"]


async def test_stop_ends_the_stream_with_abort_and_closes_the_handler(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            with anyio.fail_after(10):
                async with transport.send_messages(await one.request("hold", "u1")) as stream:
                    await script.is_waiting.wait()
                    await transport.stop(CHAT)
                    chunks = [chunk async for chunk in stream]
            messages = await one.settled()
    assert isinstance(chunks[-1], Abort)
    assert script.closed == [script.runs[0].run_id]
    assert messages[-1].text == "you said hold"


async def test_stop_before_the_run_is_known_stops_it_too(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        one = talk(transport, CHAT)
        with anyio.fail_after(10):
            async with transport.send_messages(await one.request("hold", "u1")) as stream:
                await transport.stop(CHAT)
                async with AblyAgent(script, connect("agent"), channels=["ai:*"]) as agent:
                    session = await transport.session(CHAT)
                    trigger = next(iter(session.wire.conversation._triggers))
                    await agent.invoke({"inputEventId": trigger, "sessionName": CHAT})
                    chunks = [chunk async for chunk in stream]
    assert [chunk.type for chunk in chunks] == ["start", "abort"]


async def test_reconnect_gives_the_reply_from_its_start_then_live(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            with anyio.fail_after(10):
                async with transport.send_messages(
                    await talk(transport, CHAT).request("hold", "u1")
                ) as stream:
                    async for chunk in stream:
                        if isinstance(chunk, TextDelta):
                            break
        async with AblyChatTransport(connect("alice")) as transport:
            history = await transport.load_history(CHAT)
            assert history.active_run_id == script.runs[0].run_id
            assert history.messages[-1].text == "you said hold"
            with anyio.fail_after(10):
                async with transport.reconnect_to_stream(Reconnect(chat_id=CHAT)) as again:
                    assert again is not None
                    script.go_on.set()
                    chunks = [chunk async for chunk in again]
            assert again.run_id == script.runs[0].run_id
            messages = await talk(transport, CHAT).settled()
    assert chunks[0].type == "start"
    assert isinstance(chunks[-1], Finish)
    said = "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))
    assert said == "you said hold, and more" == messages[-1].text


async def test_reconnect_to_an_idle_chat_gives_none(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            await talk(transport, CHAT).say("hello", "u1")
            await talk(transport, CHAT).settled()
            async with transport.reconnect_to_stream(Reconnect(chat_id=CHAT)) as stream:
                assert stream is None


async def test_two_runs_at_once_on_one_channel_keep_apart(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as a, AblyChatTransport(connect("bob")) as b:
            with anyio.fail_after(10):
                async with a.send_messages(await talk(a, CHAT).request("hold A", "u1")) as one:
                    await script.is_waiting.wait()
                    async with b.send_messages(await talk(b, CHAT).request("hold B", "u2")) as two:
                        first = await anext(two)
                        script.go_on.set()
                        of_a = [chunk async for chunk in one]
                        of_b = [first] + [chunk async for chunk in two]
    for chunks, text in ((of_a, "hold A"), (of_b, "hold B")):
        said = "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))
        assert said == f"you said {text}, and more"
    assert one.run_id != two.run_id


async def test_regenerate_gives_another_answer_in_place_of_the_first(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            await one.say("hello", "u1")
            before = await one.settled()
            await one.send(
                SendMessages(
                    chat_id=CHAT,
                    messages=before[:1],
                    trigger="regenerate-message",
                    message_id=before[1].id,
                )
            )
            after = await one.settled()
            branches = (await transport.session(CHAT)).branches(after[1].id)
    assert script.runs[1].trigger == "regenerate-message"
    assert script.runs[1].message_id == before[1].id
    assert [m.text for m in script.runs[1].messages] == ["hello"]
    assert [m.role for m in after] == ["user", "assistant"]
    assert after[1].id != before[1].id
    assert (len(branches.siblings), branches.index) == (2, 1)


async def test_an_edit_makes_a_branch_and_the_old_one_can_be_selected(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            await one.say("hello", "u1")
            await one.settled()
            edited = UIMessage(id="u1", role="user", parts=[TextPart(text="goodbye")])
            await one.send(SendMessages(chat_id=CHAT, messages=[edited], message_id="u1"))
            after = await one.settled()
            session = await transport.session(CHAT)
            selected = session.select("u1", 0)
            old = await one.messages()
    assert [m.text for m in after] == ["goodbye", "you said goodbye"]
    assert [m.text for m in script.runs[1].messages] == ["goodbye"]
    assert [m.text for m in old] == ["hello", "you said hello"]
    assert selected == old


def answered(message: UIMessage, answers: dict[str, Any]) -> UIMessage:
    """Give the message with approvals answered or outputs given, as Chat does it."""
    parts: list[Any] = []
    for part in message.parts:
        if isinstance(part, ToolPart) and part.tool_call_id in answers:
            answer = answers[part.tool_call_id]
            if isinstance(answer, bool):
                assert part.approval is not None
                approval = ToolApproval(id=part.approval.id, approved=answer, reason="so")
                part = part.model_copy(update={"state": "approval-responded", "approval": approval})
            else:
                part = part.model_copy(update={"state": "output-available", "output": answer})
        parts.append(part)
    return message.model_copy(update={"parts": parts})


@pytest.mark.parametrize("approved", [True, False])
async def test_an_approval_in_the_messages_resumes_the_run(
    connect: Any, script: Any, talk: Any, *, approved: bool
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            first = await one.say("approve it", "u1")
            asked = await one.settled()
            answer = answered(asked[-1], {"c0": approved})
            chunks = await one.send(SendMessages(chat_id=CHAT, messages=[asked[0], answer]))
            after = await one.settled()
    assert isinstance(first[-1], Finish)
    assert first[-1].finish_reason == "tool-calls"
    word = "allowed" if approved else "denied"
    assert [c.delta for c in chunks if isinstance(c, TextDelta)] == [f"c0 {word}"]
    assert script.runs[1].run_id == script.runs[0].run_id
    assert [m.role for m in after] == ["user", "assistant"]
    tool = next(part for part in after[-1].parts if isinstance(part, ToolPart))
    assert tool.state == ("output-available" if approved else "output-denied")


@pytest.mark.parametrize("invoked", [False, True])
async def test_a_decision_that_was_not_sent_goes_before_the_next_prompt(
    connect: Any, script: Any, *, invoked: bool
) -> None:
    channels = ["ai:*"] if invoked else [CHAT]
    async with AblyAgent(script, connect("agent"), channels=channels, listens=not invoked) as agent:

        async def wake(invocation: Invocation) -> None:
            await agent.invoke(invocation.to_json())

        invoke = wake if invoked else None
        async with (
            AblyChatTransport(connect("alice"), invoke=invoke) as transport,
            Chat(transport, id=CHAT) as chat,
        ):
            with anyio.fail_after(15):
                await chat.send("approve")
                await chat.add_tool_approval_response("a0", approved=True)
                await chat.send("hello")
                while chat.status != "ready" or "c0 allowed" not in chat.messages[1].text:
                    await anyio.lowlevel.checkpoint()
                shown = [message.text for message in chat.messages]
                await agent.drain()
                kept = [m.text for m in (await transport.session(CHAT)).wire.messages()]
    assert shown == kept == ["approve", "c0 allowed", "hello", "you said hello"]
    assert [run.run_id for run in script.runs].count(script.runs[0].run_id) == 2
    assert len(script.runs) == 3


async def test_two_approvals_resume_the_run_once(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            await one.say("approve two", "u1")
            asked = await one.settled()
            answer = answered(asked[-1], {"c0": True, "c1": False})
            chunks = await one.send(SendMessages(chat_id=CHAT, messages=[asked[0], answer]))
    assert [c.delta for c in chunks if isinstance(c, TextDelta)] == ["c0 allowed; c1 denied"]
    assert len(script.runs) == 2


async def test_a_client_tool_output_resumes_the_run(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            await one.say("tool", "u1")
            asked = await one.settled()
            answer = answered(asked[-1], {"c1": {"city": "Oslo"}})
            chunks = await one.send(SendMessages(chat_id=CHAT, messages=[asked[0], answer]))
    said = [c.delta for c in chunks if isinstance(c, TextDelta)]
    assert said == ["c1 gave {'city': 'Oslo'}"]


async def test_a_run_can_be_steered_and_says_that_it_heard(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            assert transport.capabilities.steers
            one = talk(transport, CHAT)
            session = await transport.session(CHAT)
            with anyio.fail_after(10):
                async with transport.send_messages(await one.request("steer", "u1")) as stream:
                    await script.is_waiting.wait()
                    run_id = script.runs[0].run_id
                    while not session.wire.active_runs():
                        await anyio.lowlevel.checkpoint()
                    is_heard = await session.steer(run_id, UIMessage.user("left", id="u2"))
                    chunks = [chunk async for chunk in stream]
                await one.settled()
                with pytest.raises(RequestRejected, match="not under way"):
                    await session.steer(run_id, UIMessage.user("right", id="u3"))
    assert is_heard
    said = "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))
    assert said == "you said steer, then left"


async def test_who_steers_sees_it_in_the_chat_as_others_do(connect: Any, script: Any) -> None:
    async with (
        AblyAgent(script, connect("agent"), channels=[CHAT]),
        AblyChatTransport(connect("alice")) as alices,
        AblyChatTransport(connect("bob")) as bobs,
        Chat(alices, id=CHAT) as alice,
        Chat(bobs, id=CHAT) as bob,
    ):
        await bobs.session(CHAT)
        session = await alices.session(CHAT)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(alice.send, "steer")
                await script.is_waiting.wait()
                # A steer that comes before the first word is shown before it.
                while "you said steer" not in [m.text for m in session.wire.messages()]:
                    await anyio.lowlevel.checkpoint()
                assert await session.steer(script.runs[0].run_id, UIMessage.user("left", id="u2"))
            wanted = ["steer", "you said steer, then left", "left"]
            for chat in (alice, bob):
                async for _ in chat.updates():
                    texts = [message.text for message in chat.messages]
                    if texts == wanted and chat.status == "ready":
                        break
        history = await alices.load_history(CHAT)
        assert [message.id for message in history.messages] == [m.id for m in alice.messages]
        assert alice.messages == bob.messages


async def test_an_approval_in_a_reply_that_was_steered_is_sent_by_the_chat(connect: Any) -> None:
    is_waiting = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        if any(isinstance(part, ToolPart) for message in run.messages for part in message.parts):
            yield ToolOutputAvailable(tool_call_id="c", output="gone")
            return
        is_waiting.set()
        async for steer in run.steering():
            yield ToolInputAvailable(tool_call_id="c", tool_name=steer.text, input={})
            yield ToolApprovalRequest(tool_call_id="c", approval_id="a")
            return

    async with (
        AblyAgent(handler, connect("agent"), channels=[CHAT]),
        AblyChatTransport(connect("ann")) as transport,
        Chat(
            transport, id=CHAT, send_automatically_when=is_complete_with_approval_responses
        ) as chat,
    ):
        session = await transport.session(CHAT)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(chat.send, "go")
                await is_waiting.wait()
                while not session.wire.active_runs():
                    await anyio.lowlevel.checkpoint()
                (ref,) = session.wire.active_runs()
                tasks.start_soon(session.steer, ref.run_id, UIMessage.user("rm", id="u2"))
            while (await transport.load_history(CHAT)).active_run_id is not None:
                await anyio.lowlevel.checkpoint()
            await chat.add_tool_approval_response("a", approved=True)
            async for _ in chat.updates():
                calls = [p for m in chat.messages for p in m.parts if isinstance(p, ToolPart)]
                if [call.output for call in calls] == ["gone"] and chat.status == "ready":
                    break
        assert [message.role for message in chat.messages] == ["user", "assistant", "user"]


async def test_a_run_that_ends_without_listening_did_not_hear(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            session = await transport.session(CHAT)
            with anyio.fail_after(10):
                async with transport.send_messages(await one.request("hold", "u1")):
                    await script.is_waiting.wait()
                    while not session.wire.active_runs():
                        await anyio.lowlevel.checkpoint()
                    async with anyio.create_task_group() as tasks:

                        async def end_it() -> None:
                            await transport.stop(CHAT)

                        tasks.start_soon(end_it)
                        message = UIMessage.user("left", id="u2")
                        is_heard = await session.steer(script.runs[0].run_id, message)
    assert not is_heard


async def test_an_observer_sees_the_message_and_the_run_of_another_client(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as a, AblyChatTransport(connect("bob")) as b:
            with anyio.fail_after(10):
                async with b.observe(CHAT) as changes:
                    sent = await talk(a, CHAT).say("hello", "u1")
                    seen = await anext(changes)
                    run = await anext(changes)
                    assert isinstance(run, RunSeen)
                    watched = [chunk async for chunk in run.chunks]
    assert isinstance(seen, MessageSeen)
    assert (seen.message.id, seen.message.text, seen.after_id) == ("u1", "hello", None)
    assert run.run_id == script.runs[0].run_id
    assert watched == sent


async def test_a_second_device_of_the_same_client_sees_the_message_and_the_run(
    connect: Any, script: Any
) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with (
            AblyChatTransport(connect("ann")) as phones,
            AblyChatTransport(connect("ann")) as laptops,
            Chat(phones, id=CHAT) as phone,
            Chat(laptops, id=CHAT) as laptop,
        ):
            await laptops.session(CHAT)
            with anyio.fail_after(10):
                await phone.send("hello", metadata={"from": "a phone"})
                async for _ in laptop.updates():
                    if laptop.status == "ready" and len(laptop.messages) == 2:
                        break
            assert laptop.messages == phone.messages
            assert laptop.messages[0].metadata == {"from": "a phone"}


async def no_waking(_invocation: Invocation) -> None:
    """An agent that was woken, and says nothing."""


@pytest.mark.parametrize(
    ("invoke", "remedy"), [(None, "or give invoke="), (no_waking, "see its log")]
)
async def test_the_log_says_what_may_be_missing_where_nobody_answers(
    connect: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch, invoke: Any, remedy: str
) -> None:
    monkeypatch.setattr("chat_transport.transports.ably.client.UNANSWERED_S", 0.05)
    async with AblyChatTransport(connect("ann"), invoke=invoke) as transport:
        request = SendMessages(chat_id="ai:new", messages=[UIMessage.user("hello", id="u1")])
        with anyio.fail_after(10):
            async with transport.send_messages(request):
                while "nobody has begun to answer on channel 'ai:new'" not in caplog.text:
                    await anyio.lowlevel.checkpoint()
    assert remedy in caplog.text


async def test_agent_presence_goes_online_streaming_and_offline(
    connect: Any, script: Any, talk: Any
) -> None:
    seen: list[str] = []
    async with AblyChatTransport(connect("alice")) as transport:
        with anyio.fail_after(10):
            async with transport.agent_presence(CHAT) as states:
                seen.append((await anext(states)).status)
                async with AblyAgent(script, connect("agent"), channels=[CHAT]):
                    state = await anext(states)
                    seen.append(state.status)
                    assert state.client_id == "agent"
                    request = await talk(transport, CHAT).request("hold", "u1")
                    async with transport.send_messages(request) as stream:
                        while seen[-1] != "streaming":
                            seen.append((await anext(states)).status)
                        script.go_on.set()
                        async for _ in stream:
                            pass
                    while seen[-1] != "online":
                        seen.append((await anext(states)).status)
                while seen[-1] != "offline":
                    seen.append((await anext(states)).status)
    assert seen[:2] == ["offline", "online"]
    assert [s for s in seen if s != "thinking"] == [
        "offline",
        "online",
        "streaming",
        "online",
        "offline",
    ]


async def test_history_is_paged_backwards(connect: Any, script: Any, talk: Any) -> None:
    async with AblyAgent(script, connect("agent"), channels=[CHAT]):
        async with AblyChatTransport(connect("alice")) as transport:
            one = talk(transport, CHAT)
            for number in range(16):
                await one.say(f"n{number}", f"u{number}")
        async with AblyChatTransport(connect("bob")) as transport:
            newest = await transport.load_history(CHAT, limit=4)
            texts = [m.text for m in newest.messages]
            page = newest
            while page.has_older:
                assert page.cursor is not None
                page = await transport.load_history(CHAT, limit=10, before=page.cursor)
                texts = [m.text for m in page.messages] + texts
    assert newest.has_older
    assert len(newest.messages) == 4
    assert texts == [t for n in range(16) for t in (f"n{n}", f"you said n{n}")]


async def test_invoke_is_called_with_the_input_once_it_is_on_the_channel(
    connect: Any, script: Any, talk: Any
) -> None:
    calls: list[dict[str, Any]] = []
    async with AblyAgent(script, connect("agent"), channels=["ai:*"], listens=False) as agent:

        async def invoke(invocation: Invocation) -> None:
            calls.append(invocation.to_json())
            await agent.invoke(invocation.to_json())

        async with AblyChatTransport(connect("alice"), invoke=invoke) as transport:
            request = SendMessages(
                chat_id=CHAT,
                messages=[UIMessage.user("hello", id="u1")],
                body={"tenant": 7, "sessionName": "forged"},
            )
            chunks = await talk(transport, CHAT).send(request)
    assert isinstance(chunks[-1], Finish)
    assert calls[0]["tenant"] == 7
    assert calls[0]["sessionName"] == CHAT
    assert set(calls[0]) == {"tenant", "sessionName", "inputEventId"}


async def test_a_message_over_64_kib_is_refused_before_it_is_sent(
    connect: Any, script: Any, talk: Any
) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        request = SendMessages(chat_id=CHAT, messages=[UIMessage.user("x" * 70_000, id="u1")])
        with pytest.raises(RequestRejected, match="may have 65536 bytes") as raised:
            await talk(transport, CHAT).send(request)
        assert await talk(transport, CHAT).messages() == []
    assert raised.value.code == 40009


async def test_a_forbidden_channel_is_refused_with_the_remedy(connect: Any) -> None:
    from chat_transport.transports.ably import make_token

    async def token() -> str:
        can = {"ai:mine": ["publish", "subscribe", "history", "presence"]}
        return make_token("app.key:secret", client_id="alice", capability=can)

    async with AblyChatTransport(connect(key=None, token=token)) as transport:
        await transport.load_history("ai:mine")
        with pytest.raises(RequestRejected, match=r"ai:other.*40160.*lacks this operation"):
            await transport.load_history("ai:other")


async def test_a_transport_that_is_not_entered_says_so(broker: RunningBroker, connect: Any) -> None:
    transport = AblyChatTransport(connect("alice"))
    with pytest.raises(TransportClosed, match="not entered"):
        await transport.load_history(CHAT)


async def test_an_unanswerable_request_says_why(connect: Any, script: Any, talk: Any) -> None:
    async with AblyChatTransport(connect("alice")) as transport:
        one = talk(transport, CHAT)
        with pytest.raises(RequestRejected, match="no message"):
            await one.send(SendMessages(chat_id=CHAT, messages=[]))
        with pytest.raises(RequestRejected, match="no answer yet"):
            await one.send(SendMessages(chat_id=CHAT, messages=[], trigger="regenerate-message"))
        with pytest.raises(LocalProtocolError, match="at least one"):
            await transport.load_history(CHAT, limit=0)


async def test_an_open_connection_is_borrowed(connect: Any, script: Any, talk: Any) -> None:
    async with connect("both") as connection:
        async with AblyAgent(script, connection, channels=[CHAT]):
            async with AblyChatTransport(connection) as transport:
                await talk(transport, CHAT).say("hello", "u1")
        assert connection.is_open
