"""One reader of one reply; more of it in test_chat_session.py."""

from __future__ import annotations

import pytest

from chat_transport.chunks import (
    DataChunk,
    Finish,
    FinishStep,
    MessageMetadata,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import StreamInterrupted
from chat_transport.transports.ably.reply_reader import ReplyReader
from chat_transport.transports.ably.wire import Heard, RunRef

pytestmark = pytest.mark.anyio

REF = RunRef(run_id="r", input_id="m")


async def test_the_first_word_names_the_run_and_the_terminal_chunk_ends_it() -> None:
    reader = ReplyReader()
    reader.take(Heard(ref=REF, chunks=[StartStep()]))
    reader.take(Heard(ref=RunRef(run_id="other", input_id="m"), chunks=[Finish(), StartStep()]))
    reader.take(Heard(ref=REF, event="run-end", reason="cancelled"))
    assert reader.stream.run_id == "r"
    assert [chunk async for chunk in reader.stream] == [StartStep(), Finish()]


def text(words: str, part_id: str = "t", *, ends: bool = True) -> list[UIMessageChunk]:
    said: list[UIMessageChunk] = [
        StartStep(),
        TextStart(id=part_id),
        TextDelta(id=part_id, delta=words),
    ]
    return [*said, TextEnd(id=part_id), FinishStep()] if ends else said


def replaced(*told: UIMessageChunk) -> tuple[Heard, list[UIMessageChunk]]:
    return Heard(ref=REF, is_replaced=True), list(told)


async def test_only_what_is_no_longer_so_is_taken_back_and_told_anew() -> None:
    reader = ReplyReader("r")
    before = [Start(message_id="a"), *text("one"), *text("wrong"), *text("three", ends=False)]
    reader.take(Heard(ref=REF, chunks=before))
    reader.take(*replaced(Start(message_id="a"), *text("one"), *text("two")))
    reader.take(Heard(ref=REF, chunks=[Finish()]))
    chunks = [chunk async for chunk in reader.stream]
    assert chunks == [*before, ResetStep(steps=2), *text("two")[1:], Finish()]


async def test_the_step_that_was_taken_back_goes_on_with_the_next_attempt() -> None:
    reader = ReplyReader("r")
    before = [Start(message_id="a"), *text("half", ends=False)]
    reader.take(Heard(ref=REF, chunks=before))
    reader.take(*replaced())
    note = MessageMetadata(message_metadata={"a": 1})
    reader.take(Heard(ref=REF, chunks=[Start(message_id="b"), note]))
    reader.take(Heard(ref=REF, chunks=[*text("whole"), Finish()]))
    chunks = [chunk async for chunk in reader.stream]
    assert chunks == [
        *before,
        ResetStep(),
        Start(message_id="b"),
        note,
        *text("whole")[1:],
        Finish(),
    ]


async def test_a_message_that_says_no_step_after_a_reset_is_passed_on() -> None:
    reader = ReplyReader("r")
    reader.take(Heard(ref=REF, chunks=text("half", ends=False)))
    reader.take(*replaced())
    card = DataChunk(type="data-card", data={})
    reader.take(Heard(ref=REF, chunks=[card, *text("whole"), Finish()]))
    chunks = [chunk async for chunk in reader.stream]
    assert chunks[3:] == [ResetStep(), card, *text("whole"), Finish()]


async def test_a_replacement_that_changes_nothing_is_not_told() -> None:
    reader = ReplyReader("r")
    reader.take(Heard(ref=REF, chunks=text("one")))
    reader.take(*replaced(*text("one")))
    reader.take(*replaced(*text("one"), *text("two")))
    reader.take(Heard(ref=REF, event="run-end", reason="complete"))
    reader.take(*replaced())
    assert [chunk async for chunk in reader.stream] == [*text("one"), *text("two"), Finish()]


async def test_what_stood_before_any_step_cannot_be_taken_back_and_interrupts() -> None:
    reader = ReplyReader("r")
    wrong, right = (TextDelta(id="t", delta=word) for word in ("wrong", "right"))
    reader.take(Heard(ref=REF, chunks=[TextStart(id="t"), wrong]))
    reader.take(*replaced(TextStart(id="t"), right))
    assert [await anext(reader.stream) for _ in range(2)] == [TextStart(id="t"), wrong]
    with pytest.raises(StreamInterrupted, match="replaced") as raised:
        await anext(reader.stream)
    assert raised.value.resumable


async def test_steps_that_stay_are_not_told_again_whatever_was_said_of_their_calls() -> None:
    reader = ReplyReader("r")
    call = ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
    output = ToolOutputAvailable(tool_call_id="c", output=1)
    known = ToolOutputAvailable(tool_call_id="of an earlier pass", output=1)
    first = [Start(message_id="a"), known, StartStep(), call, FinishStep()]
    reader.take(Heard(ref=REF, chunks=[*first, *text("half", ends=False), output]))
    reader.take(*replaced(*first[:-1], output, FinishStep()))
    reader.take(Heard(ref=REF, chunks=[*text("whole"), Finish()]))
    chunks = [chunk async for chunk in reader.stream]
    assert chunks[9:] == [ResetStep(), *text("whole")[1:], Finish()]
