"""Readers of replies; more of them in test_chat_session.py."""

from __future__ import annotations

from typing import Any

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
from chat_transport.transports.ably.reply_reader import REMEMBERED, ReplyReader, ReplyReaders
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


def heard(*chunks: Start | Finish | StartStep, **facts: Any) -> Heard:
    return Heard(ref=REF, chunks=chunks, **facts)


def nothing(_ref: RunRef) -> list[UIMessageChunk]:
    return []


async def test_what_is_told_anew_is_the_newest_pass() -> None:
    readers = ReplyReaders()
    reader = readers.add("m", "r", [*text("old"), Finish(), Start(), *text("half", ends=False)])

    def tell(_ref: RunRef) -> list[UIMessageChunk]:
        return [*text("old"), Finish(), Start(), *text("whole")]

    readers.deliver(Heard(ref=REF, is_replaced=True), None, tell)
    readers.deliver(heard(Finish()), None, nothing)
    chunks = [chunk async for chunk in reader.stream]
    assert chunks == [
        Start(), *text("half", ends=False), ResetStep(), *text("whole")[1:], Finish(),
    ]  # fmt: skip
    assert not readers.reads("m")


async def test_a_closed_reader_is_forgotten_and_with_it_who_speaks() -> None:
    readers = ReplyReaders()
    first, second = readers.add("m"), readers.add("m")
    readers.deliver(heard(Start()), "agent", nothing)
    assert readers.speakers == {"m": "agent"}
    assert readers.waiting() == [RunRef(run_id="r", input_id="m")]
    readers.deliver(heard(Finish()), "agent", nothing)
    assert first.chunks.closed
    assert second.chunks.closed
    assert readers.speakers == {}
    assert readers.waiting() == []
    readers.drop("m", first)


async def test_a_further_pass_of_a_run_is_told_once() -> None:
    readers = ReplyReaders()
    passed = [heard(Start()), heard(Finish()), heard(StartStep()), heard(Start()), heard(Start())]
    assert [readers.goes_on(each) for each in passed] == [False, False, False, True, False]


@pytest.mark.parametrize("event", ["run-end", "run-resume"])
async def test_a_run_that_ended_or_resumed_does_not_go_on(event: Any) -> None:
    readers = ReplyReaders()
    assert [
        readers.goes_on(each) for each in (heard(Finish()), heard(event=event), heard(Start()))
    ] == [False, False, False]


async def test_a_further_pass_that_is_read_already_is_not_told() -> None:
    readers = ReplyReaders()
    readers.goes_on(heard(Finish()))
    readers.add("m")
    assert not readers.goes_on(heard(Start()))


async def test_who_joins_late_reads_the_newest_pass() -> None:
    readers = ReplyReaders()
    reader = readers.add("m", "r", [Start(), Finish(), Start(message_id="a2"), StartStep()])
    readers.deliver(heard(Finish()), None, nothing)
    assert [chunk async for chunk in reader.stream] == [
        Start(message_id="a2"),
        StartStep(),
        Finish(),
    ]


async def test_who_joins_between_two_passes_is_told_of_the_next() -> None:
    readers = ReplyReaders()
    reader = readers.add("m", "r", [Start(), Finish()])
    assert [chunk async for chunk in reader.stream] == [Start(), Finish()]
    readers.drop("m", reader)
    assert readers.goes_on(heard(Start()))


async def test_runs_that_never_end_are_not_remembered_for_ever() -> None:
    readers = ReplyReaders()
    for number in range(REMEMBERED + 1):
        ref = RunRef(run_id=f"r{number}", input_id="m")
        readers.goes_on(Heard(ref=ref, chunks=[Finish()]))
    first = RunRef(run_id="r0", input_id="m")
    assert not readers.goes_on(Heard(ref=first, chunks=[Start()]))
