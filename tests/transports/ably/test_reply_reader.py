"""Readers of replies; more of them in test_chat_session.py."""

from __future__ import annotations

from typing import Any

import pytest

from chat_transport.chunks import Finish, Start, StartStep, TextStart
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


async def test_what_was_replaced_interrupts() -> None:
    reader = ReplyReader("r")
    reader.take(Heard(ref=REF, chunks=[TextStart(id="t")], is_replaced=True))
    assert await anext(reader.stream) == TextStart(id="t")
    with pytest.raises(StreamInterrupted):
        await anext(reader.stream)


def heard(*chunks: Start | Finish | StartStep, **facts: Any) -> Heard:
    return Heard(ref=REF, chunks=chunks, **facts)


async def test_a_closed_reader_is_forgotten_and_with_it_who_speaks() -> None:
    readers = ReplyReaders()
    first, second = readers.add("m"), readers.add("m")
    readers.deliver(heard(Start()), "agent")
    assert readers.speakers == {"m": "agent"}
    assert readers.waiting() == [RunRef(run_id="r", input_id="m")]
    readers.deliver(heard(Finish()), "agent")
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
    readers.deliver(heard(Finish()), None)
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
