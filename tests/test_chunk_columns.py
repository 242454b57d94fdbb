"""Packed chunks come back exactly, and their short form folds to the same message."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_transport._chunk_columns import LONGEST_DELTA, ChunkColumns, merge_deltas
from chat_transport.chunks import (
    DataChunk,
    Finish,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    UIMessageChunk,
)
from chat_transport.reducer import MessageReducer


def columns(chunks: list[UIMessageChunk]) -> ChunkColumns:
    packed = ChunkColumns()
    for chunk in chunks:
        packed.append(chunk)
    return packed


def fold(chunks: list[UIMessageChunk]) -> dict[str, object]:
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message.to_wire()


def long_reply() -> list[UIMessageChunk]:
    chunks: list[UIMessageChunk] = [Start(message_id="m"), StartStep(), ReasoningStart(id="r")]
    chunks += [ReasoningDelta(id="r", delta=f"{number}🙂") for number in range(300)]
    chunks += [ReasoningEnd(id="r"), TextStart(id="t"), TextStart(id="u")]
    for number in range(200):
        chunks += [TextDelta(id="t", delta=f"t{number}"), TextDelta(id="u", delta="")]
    chunks.append(TextDelta(id="t", delta="x", provider_metadata={"p": {"k": 1}}))
    chunks += [TextDelta(id="t", delta="\ud83d"), TextDelta(id="t", delta="\ude00")]
    chunks += [ToolInputStart(tool_call_id="t", tool_name="n")]
    chunks += [ToolInputDelta(tool_call_id="t", input_text_delta=c) for c in '{"a": "' + "b" * 99]
    chunks += [ToolInputDelta(tool_call_id="t", input_text_delta="c" * (LONGEST_DELTA + 1))]
    chunks += [ToolInputDelta(tool_call_id="t", input_text_delta='"}')]
    chunks += [ToolInputAvailable(tool_call_id="t", tool_name="n", input={"a": "b"})]
    chunks += [DataChunk(type="data-x", id="1", data=number) for number in range(70)]
    chunks += [TextEnd(id="t"), TextStart(id="t"), TextDelta(id="t", delta="again")]
    chunks += [TextEnd(id="t"), TextEnd(id="u"), Finish()]
    return chunks


def test_reading_from_every_point_gives_exactly_what_came() -> None:
    chunks = long_reply()
    packed = columns(chunks)
    assert packed.count == len(chunks)
    for start in range(len(chunks) + 2):
        assert packed.read(start) == chunks[start:]


@pytest.mark.parametrize("limit", [1, 7, 64, 1000])
def test_a_limit_gives_no_more(limit: int) -> None:
    chunks = long_reply()
    packed = columns(chunks)
    for start in range(0, len(chunks), 13):
        assert packed.read(start, limit) == chunks[start : start + limit]


def test_the_short_form_folds_to_the_same_message() -> None:
    chunks = long_reply()
    short = columns(chunks).merged(0)
    assert fold(short) == fold(chunks)
    assert len(short) < len(chunks) / 5


def test_the_short_form_from_a_point_completes_a_reader_that_is_there() -> None:
    chunks = long_reply()
    packed = columns(chunks)
    for start in range(0, len(chunks), 29):
        assert fold([*chunks[:start], *packed.merged(start)]) == fold(chunks)


def test_deltas_do_not_cross_a_reset() -> None:
    chunks: list[UIMessageChunk] = [
        StartStep(),
        TextStart(id="t"),
        TextDelta(id="t", delta="void"),
        ResetStep(),
        TextStart(id="t"),
        TextDelta(id="t", delta="kept"),
        TextEnd(id="t"),
    ]
    assert fold(merge_deltas(chunks)) == fold(chunks)
    assert merge_deltas(chunks) == [StartStep(), *chunks[4:]]


_PIECES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["text", "reasoning"]), st.text(max_size=3)),
    max_size=400,
)


@given(_PIECES, st.integers(0, 400))
def test_any_mixture_of_deltas_is_kept(pieces: list[tuple[str, str, str]], start: int) -> None:
    chunks: list[UIMessageChunk] = []
    for part_id in "abc":
        chunks += [TextStart(id=part_id), ReasoningStart(id=part_id)]
    for part_id, kind, text in pieces:
        cls = TextDelta if kind == "text" else ReasoningDelta
        chunks.append(cls(id=part_id, delta=text))
    packed = columns(chunks)
    assert packed.read(start) == chunks[start:]
    assert fold(packed.merged(0)) == fold(chunks)


def test_ten_thousand_tokens_take_at_most_120_kilobytes() -> None:
    packed = ChunkColumns()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(10_000):
            packed.append(TextDelta(id="t", delta=f"tok{number % 97:02d} "[:6]))
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used <= 120 * 1024, f"{used} bytes"


def test_deltas_that_carry_more_than_text_stay_as_they_are() -> None:
    said: list[UIMessageChunk] = [
        TextStart(id="t"),
        *[TextDelta(id="t", delta=str(n), extra={"n": n}) for n in range(200)],
    ]
    packed = columns(said)
    assert packed.read(0) == said
    assert packed.merged(0) == said
