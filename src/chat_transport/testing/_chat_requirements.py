"""Requirements: the chat around its replies. History, other clients, concurrent runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..chunks import Abort, TextDelta
from ..messages import UIMessage
from ..transport import ChatChange, ChatTransport, MessageSeen, RunSeen
from ._registry import requires
from .harness import Scene, collect, expect, expect_equal, fold, words

__all__: list[str] = []


async def _turn(
    scene: Scene, transport: ChatTransport, number: int, before: tuple[UIMessage, ...] = ()
) -> tuple[UIMessage, ...]:
    """Hold one exchange and give the conversation after it."""
    request = scene.send(f"question {number}", before=before, message_id=f"u{number}")
    async with transport.send_messages(request) as stream:
        line = await scene.agent.line(number)
        line.finish(*words(f"answer {number}"))
        reply = fold(await collect(stream))
    await scene.agent.end(line.run.run_id)
    return (*request.messages, reply)


@requires("history-after-a-reply", "History gives the prompt and the reply.", needs=("history",))
async def _history_after_a_reply(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        messages = await _turn(scene, transport, 0)
        history = await other.load_history(scene.chat_id)
    got = [message.to_wire() for message in history.messages]
    expect_equal(got, [message.to_wire() for message in messages], "the history")
    expect_equal(history.active_run_id, None, "the active run")
    expect_equal(history.has_older, False, "whether there is more")


@requires("history-of-a-new-chat", "The history of a new chat is empty.", needs=("history",))
async def _history_of_a_new_chat(scene: Scene) -> None:
    async with scene.client() as transport:
        history = await transport.load_history(scene.chat_id)
    expect_equal(list(history.messages), [], "the history")
    expect_equal(history.active_run_id, None, "the active run")


@requires(
    "history-in-pages", "Pages of history join without gap or repetition.", needs=("history",)
)
async def _history_in_pages(scene: Scene) -> None:
    async with scene.client() as transport:
        messages: tuple[UIMessage, ...] = ()
        for number in range(3):
            messages = await _turn(scene, transport, number, messages)
        found: list[UIMessage] = []
        cursor = None
        for _page in range(len(messages)):
            history = await transport.load_history(scene.chat_id, limit=2, before=cursor)
            found = [*history.messages, *found]
            cursor = history.cursor
            if not history.has_older:
                break
    ids = [message.id for message in messages]
    expect_equal([message.id for message in found], ids, "the ids of all pages")


@requires(
    "catch-up",
    "An own copy of the chat is joined with what is newer.",
    needs=("history",),
)
async def _catch_up(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        own = await _turn(scene, transport, 0)
        messages = await _turn(scene, transport, 1, own)
        wanted = [message.to_wire() for message in messages]
        for copy in (own, own[:1], messages, ()):
            history = await other.catch_up(scene.chat_id, copy)
            got = [message.to_wire() for message in history.messages]
            expect_equal(got, wanted, f"the chat, from a copy of {len(copy)}")
            expect_equal(history.has_older, False, "whether something may lie between")
        elsewhere = UIMessage.user("said elsewhere", id="x1")
        history = await other.catch_up(scene.chat_id, [elsewhere])
        ids = ["x1", *(message.id for message in messages)]
        expect_equal([message.id for message in history.messages], ids, "with a foreign past")


@requires(
    "catch-up-after-another-answer",
    "An answer that was regenerated since the own copy was made is left out.",
    needs=("history",),
    asks=("regenerate",),
)
async def _catch_up_after_another_answer(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        own = await _turn(scene, transport, 0)
        request = scene.ask(own[:1], trigger="regenerate-message", message_id=own[-1].id)
        async with transport.send_messages(request) as stream:
            line = await scene.agent.line(1)
            line.finish(*words("another answer"))
            await collect(stream)
        await scene.agent.end(line.run.run_id)
        history = await other.catch_up(scene.chat_id, own)
    texts = [message.text for message in history.messages]
    expect_equal(texts, ["question 0", "another answer"], "the chat")


@requires(
    "history-names-the-active-run",
    "History says that a run is under way.",
    needs=("history", "resumes"),
)
async def _history_names_the_active_run(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("x", ends=False))
            while not isinstance(await anext(stream), TextDelta):
                pass
            history = await other.load_history(scene.chat_id)
            expect(history.active_run_id is not None, "history names no active run")
            expect_equal([item.id for item in history.messages][:1], ["u1"], "the first message")
            line.finish()
            await collect(stream)


@requires(
    "history-keeps-a-stopped-reply",
    "A stopped reply is in the history as far as it came.",
    needs=("history", "stops"),
)
async def _history_keeps_a_stopped_reply(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.send_messages(scene.send()) as stream:
            line = await scene.agent.line()
            line.say(*words("half", ends=False))
            while not isinstance(await anext(stream), TextDelta):
                pass
            await transport.stop(scene.chat_id)
            rest = await collect(stream)
        expect(isinstance(rest[-1], Abort), f"the last chunk is {rest[-1]!r}")
        await scene.agent.end(line.run.run_id)
        history = await transport.load_history(scene.chat_id)
    texts = [message.text for message in history.messages]
    expect_equal(texts, ["hello", "half"], "the history")


@requires("handler-sees-the-past", "The handler of a second prompt sees the first exchange.")
async def _handler_sees_the_past(scene: Scene) -> None:
    async with scene.client() as transport:
        messages = await _turn(scene, transport, 0)
        await _turn(scene, transport, 1, messages)
    texts = [message.text for message in scene.agent.lines[1].run.messages]
    expect_equal(texts, ["question 0", "answer 0", "question 1"], "the messages")


@requires(
    "regenerate",
    "Regenerating asks anew, without the answer that is replaced.",
    asks=("regenerate",),
)
async def _regenerate(scene: Scene) -> None:
    async with scene.client() as transport:
        messages = await _turn(scene, transport, 0)
        answer = messages[-1]
        request = scene.ask(messages[:-1], trigger="regenerate-message", message_id=answer.id)
        async with transport.send_messages(request) as stream:
            line = await scene.agent.line(1)
            line.finish(*words("another"))
            again = fold(await collect(stream))
        await scene.agent.end(line.run.run_id)
        history = None
        if transport.capabilities.history:
            history = await transport.load_history(scene.chat_id)
    expect_equal(line.run.trigger, "regenerate-message", "the trigger")
    texts = [message.text for message in line.run.messages]
    expect_equal(texts, ["question 0"], "the messages of the handler")
    expect_equal(again.text, "another", "the new answer")
    if history is not None:
        texts = [message.text for message in history.messages]
        expect_equal(texts, ["question 0", "another"], "the history")


@requires(
    "runs-at-once", "Two runs in one chat give each its own reply.", needs=("concurrent_runs",)
)
async def _runs_at_once(scene: Scene) -> None:
    async with scene.client() as transport, scene.client() as other:
        async with transport.send_messages(scene.send("one", message_id="u1")) as first:
            one = await scene.agent.line(0)
            one.say(*words("first ", ends=False))
            async with other.send_messages(scene.send("two", message_id="u2")) as second:
                two = await scene.agent.line(1)
                two.say(*words("second ", ends=False))
                one.finish(TextDelta(id="t", delta="reply"))
                two.finish(TextDelta(id="t", delta="reply"))
                replies = [fold(await collect(stream)).text for stream in (first, second)]
    expect_equal(replies, ["first reply", "second reply"], "the replies")
    expect(one.run.run_id != two.run.run_id, "both runs have one id")


@requires("observe-others", "Another client's prompt and reply are seen live.", needs=("observes",))
async def _observe_others(scene: Scene) -> None:
    async with scene.client() as transport, scene.client("bob") as watcher:
        async with watcher.observe(scene.chat_id) as changes:
            async with transport.send_messages(scene.send("look")) as stream:
                line = await scene.agent.line()
                line.say(*words("I ", ends=False))
                seen, run = await _until_run(changes)
                line.finish(TextDelta(id="t", delta="see"))
                observed = fold(await collect(run.chunks))
                sent = fold(await collect(stream))
    expect_equal([message.text for message in seen], ["look"], "the messages seen")
    expect_equal(observed.to_wire(), sent.to_wire(), "the observed reply")
    expect_equal(observed.text, "I see", "the text")


async def _until_run(changes: AsyncIterator[ChatChange]) -> tuple[list[UIMessage], RunSeen]:
    seen: list[UIMessage] = []
    async for change in changes:
        if isinstance(change, MessageSeen):
            seen.append(change.message)
        elif isinstance(change, RunSeen):
            return seen, change
    expect(False, "no run was seen")
    raise AssertionError


@requires("observe-not-oneself", "A client does not observe its own runs.", needs=("observes",))
async def _observe_not_oneself(scene: Scene) -> None:
    async with scene.client() as transport, scene.client("bob") as other:
        async with transport.observe(scene.chat_id) as changes:
            messages = await _turn(scene, transport, 0)
            request = scene.send("mine", before=messages, message_id="u9")
            async with other.send_messages(request) as stream:
                line = await scene.agent.line(1)
                seen, run = await _until_run(changes)
                line.finish(*words("to bob"))
                await collect(stream)
                reply = fold(await collect(run.chunks))
    expect_equal([message.id for message in seen], ["u9"], "the messages seen")
    expect_equal(reply.text, "to bob", "the reply seen")


@requires(
    "presence-first", "Watching the agent gives its present state first.", needs=("presence",)
)
async def _presence_first(scene: Scene) -> None:
    async with scene.client() as transport:
        async with transport.agent_presence(scene.chat_id) as states:
            state = await anext(states)
    expect(state.status in {"offline", "online", "idle"}, f"the first state is {state!r}")


@requires(
    "edit-cuts-the-past",
    "A changed prompt is answered without what came after it.",
    asks=("edit",),
)
async def _edit_cuts_the_past(scene: Scene) -> None:
    async with scene.client() as transport:
        messages = await _turn(scene, transport, 0)
        messages = await _turn(scene, transport, 1, messages)
        changed = UIMessage.user("better question", id=messages[2].id)
        request = scene.ask((*messages[:2], changed), message_id=changed.id)
        async with transport.send_messages(request) as stream:
            line = await scene.agent.line(2)
            line.finish(*words("better answer"))
            await collect(stream)
        await scene.agent.end(line.run.run_id)
    texts = [message.text for message in line.run.messages]
    wanted = ["question 0", "answer 0", "better question"]
    expect_equal(texts, wanted, "the messages of the handler")
