from __future__ import annotations

from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport._chunk_log import ChunkLog
from chat_transport.chat import Chat
from chat_transport.messages import TextPart, ToolPart, UIMessage
from chat_transport.predicates import is_complete_with_tool_calls
from chat_transport.transport import History, MessageSeen, MessagesReplaced, RunSeen

pytestmark = pytest.mark.anyio


async def until(chat: Chat, is_true: Any) -> None:
    with anyio.fail_after(5):
        async for _ in chat.updates():
            if is_true():
                return


async def test_messages_and_runs_of_others_are_shown(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(observes=True)
    finishes = []
    async with Chat(transport, on_finish=finishes.append) as chat:
        transport.show(MessageSeen(message=UIMessage.user("hi", id="u")))
        log = ChunkLog()
        transport.show(RunSeen(run_id="r", chunks=log.stream()))
        await until(chat, lambda: chat.status == "submitted")
        say_chunks(log, *text_reply("hello"))
        await until(chat, lambda: chat.status == "streaming")
        log.close()
        await until(chat, lambda: chat.status == "ready")
        assert [message.text for message in chat.messages] == ["hi", "hello"]
    assert finishes[0].is_observed


async def test_a_message_takes_its_place_or_replaces_itself(fake_transport: Any):
    transport = fake_transport(observes=True)
    first, last = UIMessage.user("1", id="1"), UIMessage.user("3", id="3")
    async with Chat(transport, messages=[first, last]) as chat:
        transport.show(MessageSeen(message=UIMessage.user("2", id="2"), after_id="1"))
        await until(chat, lambda: [m.id for m in chat.messages] == ["1", "2", "3"])
        transport.show(MessageSeen(message=UIMessage.user("two", id="2")))
        await until(chat, lambda: chat.messages[1].text == "two")
        transport.show(MessagesReplaced(messages=[last]))
        await until(chat, lambda: chat.messages == (last,))


async def test_what_was_said_to_a_run_stands_behind_its_reply_and_asks_for_nothing(
    fake_transport: Any,
):
    transport = fake_transport(observes=True)
    call = ToolPart(type="tool-t", tool_call_id="c", state="input-available", input={})
    reply = UIMessage(id="a", role="assistant", parts=[call])
    question, steer = UIMessage.user("q", id="q"), UIMessage.user("left", id="s")
    async with Chat(
        transport,
        messages=[question, reply],
        send_automatically_when=is_complete_with_tool_calls,
    ) as chat:
        transport.show(MessageSeen(message=steer, run_id="r"))
        await until(chat, lambda: chat.messages[-1] is steer)
        await chat.add_tool_output("c", 5)
        with anyio.fail_after(5):
            (await transport.next_log()).close()
        assert [message.id for message in chat.messages[:3]] == ["q", "a", "s"]
    assert transport.requests[0].message_id == "a"


async def test_an_own_copy_is_shown_with_what_is_newer(fake_transport: Any):
    transport = fake_transport(history=True)
    own, newer = UIMessage.user("1", id="1"), UIMessage.user("2", id="2")
    transport.pages[None] = History(messages=[own, newer], active_run_id="r")
    async with Chat(transport, messages=[own]) as chat:
        assert (await chat.catch_up()).active_run_id == "r"
        assert chat.messages == (own, newer)


async def test_without_a_copy_to_join_the_newest_page_is_shown_and_older_ones_follow(
    fake_transport: Any,
):
    transport = fake_transport(history=True)
    older, newer = UIMessage.user("1", id="1"), UIMessage.user("2", id="2")
    transport.pages[None] = History(messages=[newer], has_older=True, cursor="2")
    transport.pages["2"] = History(messages=[older])
    async with Chat(transport) as chat:
        await chat.catch_up()
        assert chat.messages == (newer,)
        await chat.load_older()
        assert chat.messages == (older, newer)


@pytest.mark.parametrize(("reply_id", "expected"), [("a", ["q", "old new"]), ("b", ["q", " new"])])
async def test_a_run_continues_or_replaces_a_message(
    fake_transport: Any, say_chunks: Any, text_reply: Any, reply_id: Any, expected: Any
):
    transport = fake_transport(observes=True)
    old = UIMessage(id="a", role="assistant", parts=[TextPart(text="old", state="done")])
    async with Chat(transport, messages=[UIMessage.user("q", id="u"), old]) as chat:
        log = ChunkLog()
        say_chunks(log, *text_reply(" new", reply_id))
        log.close()
        transport.show(RunSeen(run_id="r", chunks=log.stream(), replaces_id="a"))
        await until(chat, lambda: [m.text for m in chat.messages] == expected)


async def test_a_run_whose_message_is_cut_does_not_bring_it_back(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(observes=True)
    question = UIMessage.user("q", id="u")
    async with Chat(transport, messages=[question]) as chat:
        log = ChunkLog()
        said = list(text_reply("old", "a"))
        spoken = next(n for n, chunk in enumerate(said) if chunk["type"] == "text-delta") + 1
        say_chunks(log, *said[:spoken])
        transport.show(RunSeen(run_id="r", chunks=log.stream()))
        await until(chat, lambda: [m.text for m in chat.messages] == ["q", "old"])
        transport.show(MessagesReplaced(messages=[question]))
        await until(chat, lambda: chat.messages == (question,))
        say_chunks(log, *said[spoken:])
        log.close()
        again = ChunkLog()
        say_chunks(again, *text_reply("new", "b"))
        again.close()
        transport.show(RunSeen(run_id="r2", chunks=again.stream()))
        await until(chat, lambda: chat.messages[-1].text == "new" and chat.status == "ready")
        assert [m.text for m in chat.messages] == ["q", "new"]


async def test_an_observed_run_is_stopped_through_the_agent(fake_transport: Any, say_chunks: Any):
    transport = fake_transport(observes=True, stops=True)
    async with Chat(transport) as chat:
        log = ChunkLog()
        transport.show(RunSeen(run_id="theirs", chunks=log.stream()))
        await until(chat, lambda: chat.status == "submitted")
        transport.on_stop = log.close
        with anyio.fail_after(5):
            await chat.stop()
    assert transport.stops == ["theirs"]


async def test_a_failure_to_observe_is_the_chats_error(fake_transport: Any):
    transport = fake_transport(observes=True)
    failed = errors.StreamInterrupted("gone")
    async with Chat(transport) as chat:
        transport.show(failed)
        await until(chat, lambda: chat.status == "error")
        assert chat.error is failed


async def test_an_observed_run_that_fails_is_the_chats_error(fake_transport: Any, say_chunks: Any):
    transport = fake_transport(observes=True)
    async with Chat(transport) as chat:
        log = ChunkLog()
        say_chunks(log, {"type": "error", "errorText": "no model"})
        transport.show(RunSeen(run_id="r", chunks=log.stream()))
        await until(chat, lambda: chat.status == "error")
        assert str(chat.error) == "no model"


async def test_leaving_the_chat_leaves_observed_runs(fake_transport: Any):
    transport = fake_transport(observes=True)
    finishes: list[Any] = []
    async with Chat(transport, on_finish=finishes.append) as chat:
        transport.show(RunSeen(run_id="r", chunks=ChunkLog().stream()))
        await until(chat, lambda: chat.status == "submitted")
    assert finishes[0].is_abort


async def test_a_run_does_not_make_a_busy_chat_submitted_again(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    transport = fake_transport(observes=True)
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "mine")
        with anyio.fail_after(5):
            log = await transport.next_log()
        say_chunks(log, *text_reply("own", "m1")[:4])
        await until(chat, lambda: chat.status == "streaming")
        theirs = ChunkLog()
        say_chunks(theirs, *text_reply("other", "m2"))
        theirs.close()
        transport.show(RunSeen(run_id="r", chunks=theirs.stream()))
        await until(chat, lambda: len(chat.messages) == 3)
        assert chat.status == "streaming"
        log.close()
    assert [message.text for message in chat.messages] == ["mine", "own", "other"]


async def test_a_run_that_goes_on_waits_for_the_reply_that_is_still_read(
    fake_transport: Any, say_chunks: Any, text_reply: Any
):
    """What the first reply said is in the message before the second one adds to it."""
    transport = fake_transport(observes=True)
    async with Chat(transport) as chat, anyio.create_task_group() as tasks:
        tasks.start_soon(chat.send, "q")
        first = await transport.next_log()
        say_chunks(first, *text_reply("one", "m"))
        second = ChunkLog()
        transport.show(RunSeen(run_id="run-0", chunks=second.stream(), replaces_id="m"))
        say_chunks(second, *text_reply(" two", "m"))
        second.close()
        await until(chat, lambda: len(chat.messages) == 2 and chat.messages[-1].text == "one")
        first.close()
        await until(chat, lambda: chat.messages[-1].text == "one two")
        assert len(chat.messages) == 2
