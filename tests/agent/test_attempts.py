"""Named steps: a retry takes back what the attempt before it said, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import anyio
import pytest

from chat_transport.agent.attempts import AttemptMark
from chat_transport.agent.run import Run, RunEnd, RunRequest, User
from chat_transport.agent.runtime import Agent
from chat_transport.agent.tool_loop import ToolLoop
from chat_transport.agent.tools import tool
from chat_transport.chunks import (
    Abort,
    DataChunk,
    Error,
    Finish,
    FinishStep,
    MessageMetadata,
    ResetStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.testing.reply_grammar import reply_faults

pytestmark = pytest.mark.anyio
PROMPT = UIMessage.user("hi", id="u1")
Handler = Callable[[Run], AsyncIterator[UIMessageChunk]]


class ModelDown(Exception):  # a model's words, not ours
    """What a model raises."""


def break_down() -> None:
    raise ModelDown


def text(words: str, part_id: str = "t", *, ends: bool = True) -> list[UIMessageChunk]:
    said: list[UIMessageChunk] = [TextStart(id=part_id), TextDelta(id=part_id, delta=words)]
    return [*said, TextEnd(id=part_id)] if ends else said


def step(*chunks: UIMessageChunk) -> list[UIMessageChunk]:
    return [StartStep(), *chunks, FinishStep()]


def fold(chunks: list[UIMessageChunk]) -> UIMessage:
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


def shapes(message: UIMessage) -> list[str]:
    return [getattr(part, "text", part.type) for part in message.parts]


async def outcome(handler: Handler, **fields: object) -> tuple[list[UIMessageChunk], RunEnd]:
    """Run the handler; whatever it says must be a well-formed reply, also for a late joiner."""
    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            request = RunRequest(chat_id="c", **{"messages": [PROMPT], **fields})  # type: ignore[arg-type]
            active = agent.start(request)
            end = await active.wait()
            chunks = list(active.log.since(0))
            if not fields:
                assert reply_faults(chunks) == []
                assert reply_faults(list(active.log.merged())) == []
                assert fold(list(active.log.merged())) == fold(chunks) == end.response_message
    return chunks, end


async def marks_of(handler: Handler) -> list[AttemptMark]:
    async with Agent(handler) as agent:
        active = agent.start(RunRequest(chat_id="c", messages=[PROMPT]))
        await active.wait()
        return active.attempts.marks


def trying(*attempts: list[UIMessageChunk], name: str = "answer") -> Handler:
    """Say each list in an attempt of one step; all but the last fail."""

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for number, chunks in enumerate(attempts, start=1):
            try:
                async with run.step(name) as attempt:
                    assert (attempt.name, attempt.number) == (name, number)
                    for chunk in chunks:
                        yield chunk
                    if number < len(attempts):
                        break_down()
            except ModelDown:
                assert attempt.failed

    return handler


# ── a retry ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_retry_takes_back_what_the_attempt_before_it_said() -> None:
    handler = trying([StartStep(), *text("half", ends=False)], step(*text("whole")))
    chunks, end = await outcome(handler)
    assert [chunk.type for chunk in chunks] == [
        *("start", "start-step", "text-start", "text-delta", "text-end", "finish-step"),
        *("reset-step", "text-start", "text-delta", "text-end", "finish-step", "finish"),
    ]
    assert (end.reason, shapes(end.response_message)) == ("complete", ["step-start", "whole"])


async def test_a_late_joiner_is_told_the_attempt_that_counts_alone() -> None:
    async with Agent(trying(step(*text("half")), step(*text("whole")))) as agent:
        active = agent.start(RunRequest(chat_id="c", messages=[PROMPT]))
        await active.wait()
        assert list(active.log.merged())[1:] == [
            *step(*text("whole")),
            Finish(finish_reason="stop"),
        ]


async def test_an_attempt_of_several_model_calls_is_taken_back_whole() -> None:
    call = ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
    first = [
        *step(call, ToolOutputAvailable(tool_call_id="c", output=1)),
        *step(*text("half")),
    ]
    chunks, end = await outcome(trying(first, [*step(call), *step(*text("whole"))]))
    assert ResetStep(steps=2) in chunks
    assert shapes(end.response_message) == ["step-start", "tool-n", "step-start", "whole"]
    assert end.suspended, "the call of the second attempt has no output"


async def test_what_was_said_before_the_step_stays() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for chunk in text("before"):
            yield chunk
        for words in ("half", "whole"):
            async with run.step("answer"):
                for chunk in text(words):
                    yield chunk
        for chunk in text("after", "u"):
            yield chunk

    _, end = await outcome(handler)
    assert shapes(end.response_message) == ["before", "step-start", "whole", "after"]


async def test_steps_of_different_names_stand_one_after_the_other() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for name in ("plan", "act"):
            for words in ("bad", "good"):
                async with run.step(name):
                    for chunk in step(*text(f"{words} {name}")):
                        yield chunk

    _, end = await outcome(handler)
    assert shapes(end.response_message) == ["step-start", "good plan", "step-start", "good act"]


async def test_a_model_that_says_no_step_gets_one() -> None:
    chunks, _ = await outcome(trying(text("half"), text("whole")))
    assert chunks[1:3] == [StartStep(), TextStart(id="t")]
    assert [chunk.type for chunk in chunks].count("start-step") == 1
    assert chunks[-2] == FinishStep()


async def test_what_a_handler_says_between_steps_of_an_attempt_stands_in_a_step() -> None:
    chunks, _ = await outcome(trying([*text("a"), *step(*text("b")), *text("c")]))
    assert [chunk.type for chunk in chunks if chunk.type.endswith("-step")] == (
        ["start-step", "finish-step"] * 3
    )


async def test_an_open_step_ends_where_a_named_one_begins() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield StartStep()
        for chunk in text("before"):
            yield chunk
        async with run.step("answer"):
            for chunk in step(*text("said", "u")):
                yield chunk

    _, end = await outcome(handler)
    assert shapes(end.response_message) == ["step-start", "before", "step-start", "said"]


async def test_an_attempt_that_said_nothing_has_nothing_to_take_back() -> None:
    chunks, end = await outcome(trying([], [], step(*text("whole"))))
    assert ResetStep() not in chunks
    assert shapes(end.response_message) == ["step-start", "whole"]


async def test_notes_beside_the_parts_do_not_end_the_chance_to_retry() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for words in ("half", "whole"):
            async with run.step("answer"):
                for chunk in text(words):
                    yield chunk
            yield DataChunk(type="data-note", data="again", transient=True)
            yield MessageMetadata(message_metadata={"tries": 1})

    _, end = await outcome(handler)
    assert shapes(end.response_message) == ["step-start", "whole"]


# ── failure, stop ────────────────────────────────────────────────────────────────────────────────


async def test_an_exception_that_nobody_catches_ends_the_run_and_keeps_what_was_said() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("answer"):
            for chunk in text("half", ends=False):
                yield chunk
            raise ModelDown

    chunks, end = await outcome(handler)
    assert (end.reason, type(end.error)) == ("error", ModelDown)
    assert isinstance(chunks[-1], Error)
    assert shapes(end.response_message) == ["step-start", "half"]


async def test_an_error_that_the_model_says_fails_the_attempt_and_a_retry_forgets_it() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for said in ([*text("half"), Error(error_text="overloaded")], text("whole")):
            async with run.step("answer") as attempt:
                for chunk in said:
                    yield chunk
            if not attempt.failed:
                break

    chunks, end = await outcome(handler)
    assert (end.reason, end.response_message.text) == ("complete", "whole")
    assert isinstance(chunks[-1], Finish)


async def test_an_error_that_is_not_tried_again_ends_the_run() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("answer"):
            yield Error(error_text="overloaded")

    chunks, end = await outcome(handler)
    assert (end.reason, chunks[-1]) == ("error", Error(error_text="overloaded"))


async def test_a_retry_brings_back_the_ending_that_stood_before() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("plan"):
            for chunk in [*text("plan"), Finish(finish_reason="stop")]:
                yield chunk
        for reason in ("length", "stop"):
            async with run.step("answer"):
                for chunk in [*text("a"), Finish(finish_reason=reason)]:  # type: ignore[arg-type]
                    yield chunk

    _, end = await outcome(handler)
    assert end.finish_reason == "stop"


async def test_calls_of_a_failed_attempt_do_not_wait_for_anybody() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            async with run.step("act"):
                yield ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
                yield ToolInputStart(tool_call_id="d", tool_name="n")
                yield ToolInputDelta(tool_call_id="d", input_text_delta='{"a')
                break_down()
        except ModelDown:
            pass
        for chunk in text("sorry"):
            yield chunk

    _, end = await outcome(handler)
    assert (end.reason, end.suspended) == ("complete", False)
    assert [part.state for part in end.response_message.parts[1:3]] == ["output-error"] * 2


async def test_a_stop_in_an_attempt_leaves_nothing_open() -> None:
    speaking = anyio.Event()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("answer"):
            for chunk in text("half", ends=False):
                yield chunk
            speaking.set()
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with Agent(handler) as agent:
            active = agent.start(RunRequest(chat_id="c", messages=[PROMPT]))
            await speaking.wait()
            active.stop("enough")
            end = await active.wait()
    chunks = list(active.log.since(0))
    assert reply_faults(chunks) == []
    assert (end.reason, chunks[-1]) == ("cancelled", Abort(reason="enough"))
    assert active.attempts.marks[-1].reason == "cancelled"


async def test_an_attempt_that_a_deadline_cuts_can_be_tried_again() -> None:
    async def slow(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("answer"):
            for chunk in text("half", ends=False):
                yield chunk
            with anyio.fail_after(0):
                await anyio.sleep_forever()

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            async with aclosing(slow(run)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except TimeoutError:
            pass
        async with run.step("answer"):
            for chunk in text("whole"):
                yield chunk

    _, end = await outcome(handler)
    assert shapes(end.response_message) == ["step-start", "whole"]


async def test_a_generator_that_is_closed_in_an_attempt_ends_it() -> None:
    async def inner(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("answer"):
            for chunk in text("half", ends=False):
                yield chunk

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with aclosing(inner(run)) as chunks:
            yield await anext(chunks)
        async with run.step("other"):
            for chunk in text("other", "u"):
                yield chunk

    _, end = await outcome(handler)
    assert shapes(end.response_message) == ["step-start", "", "step-start", "other"]


# ── wrong use ────────────────────────────────────────────────────────────────────────────────────


async def refused(handler: Handler) -> str:
    _, end = await outcome(handler)
    assert isinstance(end.error, LocalProtocolError)
    return str(end.error)


async def test_a_step_holds_no_other() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step("plan"), run.step("act"):
            yield StartStep()

    assert "step 'plan' is open" in await refused(handler)


async def test_a_step_needs_a_name() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        async with run.step(""):
            yield StartStep()

    assert "needs a name" in await refused(handler)


async def test_a_step_does_not_begin_inside_a_part() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        async with run.step("plan"):
            yield StartStep()

    assert "text 't' is open: end it first" in await refused(handler)


async def test_a_step_is_not_tried_again_once_the_run_has_gone_on() -> None:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        for name in ("plan", "act", "plan"):
            async with run.step(name):
                for chunk in text(name):
                    yield chunk

    assert "'plan' of run" in (words := await refused(handler))
    assert "try again at once, or use another name" in words


async def test_a_step_outside_of_an_agent_is_refused() -> None:
    run = Run(
        run_id="r",
        chat_id="c",
        messages=(),
        trigger="submit-message",
        message_id=None,
        response_message_id="m",
        user=User(),
        metadata={},
    )
    with pytest.raises(LocalProtocolError, match="use an Agent"):
        run.step("plan")


async def test_a_step_of_a_run_that_is_over_is_refused() -> None:
    kept: list[Run] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        kept.append(run)
        yield StartStep()

    await outcome(handler)
    with pytest.raises(LocalProtocolError, match="the run is over"):
        async with kept[0].step("late"):
            pass


# ── marks for wires that have a word for it ──────────────────────────────────────────────────────


async def test_marks_say_where_attempts_begin_and_end_and_how() -> None:
    marks = await marks_of(trying(text("half"), text("whole")))
    assert marks == [
        AttemptMark(1, "answer"),
        AttemptMark(6, "answer", "failed"),
        AttemptMark(6, "answer", retries=True),
        AttemptMark(11, "answer", "complete"),
    ]


# ── with the tool loop and steering ──────────────────────────────────────────────────────────────


class Model:
    """Says each list in turn; raises where it is told."""

    def __init__(self, *turns: list[UIMessageChunk | Exception]) -> None:
        self.turns = list(turns)
        self.heard: list[list[str]] = []

    async def stream(self, messages: object, **_: object) -> AsyncIterator[UIMessageChunk]:
        self.heard.append([message.text for message in messages])  # type: ignore[attr-defined]
        for chunk in self.turns.pop(0):
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def retried(loop: ToolLoop) -> Handler:
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        while True:
            try:
                async with run.step("answer"):
                    async for chunk in loop(run):
                        yield chunk
            except ModelDown:
                continue
            return

    return handler


async def test_a_tool_loop_is_tried_again_from_its_beginning() -> None:
    runs: list[str] = []

    @tool
    async def look() -> str:
        """Look."""
        runs.append("look")
        return "seen"

    call = ToolInputAvailable(tool_call_id="c", tool_name="look", input={})
    model = Model(
        step(call),
        [StartStep(), *text("half", ends=False), ModelDown()],
        step(call),
        [*step(*text("whole")), Finish(finish_reason="stop")],
    )
    _, end = await outcome(retried(ToolLoop(model, [look])))  # type: ignore[arg-type]
    assert (end.reason, runs) == ("complete", ["look", "look"])
    assert shapes(end.response_message) == ["step-start", "tool-look", "step-start", "whole"]
    assert model.heard[2] == ["hi"], "what was taken back is no part of the prompt"


async def test_a_tool_that_runs_ends_with_the_loop_that_called_it() -> None:
    left = anyio.Event()
    running = anyio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            left.set()

    class Falling(Model):
        async def stream(self, messages: object, **_: object) -> AsyncIterator[UIMessageChunk]:
            if self.turns:
                self.turns.pop()
                yield StartStep()
                yield ToolInputAvailable(tool_call_id="c", tool_name="wait", input={})
                await running.wait()
                raise ModelDown
            await left.wait()
            for chunk in step(*text("whole")):
                yield chunk

    _, end = await outcome(retried(ToolLoop(Falling([]), [wait])))  # type: ignore[arg-type]
    assert shapes(end.response_message) == ["step-start", "whole"]


async def test_what_the_user_said_in_an_attempt_is_heard_again_in_the_next() -> None:
    model = Model(
        [StartStep(), *text("half"), ModelDown()],
        [*step(*text("whole")), Finish(finish_reason="stop")],
    )
    told: list[str] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        run.steers.say(UIMessage.user("in verse", id="s1"), heard=lambda: told.append("heard"))
        async for chunk in retried(ToolLoop(model))(run):  # type: ignore[arg-type]
            yield chunk

    _, end = await outcome(handler)
    assert model.heard == [["hi", "in verse"]] * 2
    assert told == ["heard"]
    assert end.response_message.text == "whole"


async def test_an_approved_call_runs_once_however_often_the_loop_is_tried() -> None:
    runs: list[str] = []

    @tool(approval="always")
    async def send() -> str:
        """Send."""
        runs.append("sent")
        return "sent"

    call = ToolInputAvailable(tool_call_id="c", tool_name="send", input={})
    loop = ToolLoop(Model([*step(call), Finish(finish_reason="tool-calls")]), [send])  # type: ignore[arg-type]
    _, asked = await outcome(retried(loop))
    reply = asked.response_message.to_wire()
    reply["parts"][1]["state"] = "approval-responded"
    reply["parts"][1]["approval"]["approved"] = True
    loop.model = Model(  # type: ignore[assignment]
        [StartStep(), *text("half"), ModelDown()],
        [*step(*text("done")), Finish(finish_reason="stop")],
    )
    chunks, end = await outcome(retried(loop), messages=[PROMPT, UIMessage.model_validate(reply)])
    assert runs == ["sent"]
    call_part = end.response_message.parts[1]
    assert (call_part.state, call_part.output) == ("output-available", "sent")
    assert shapes(end.response_message)[2:] == ["step-start", "done"]
    assert not any(isinstance(chunk, ToolOutputError | ToolApprovalRequest) for chunk in chunks)
