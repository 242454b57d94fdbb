from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat_transport.agent.reply_writer import ReplyWriter, StreamOutcome
from chat_transport.chunks import (
    DataChunk,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)


class Sink:
    def __init__(self) -> None:
        self.chunks: list[UIMessageChunk] = []
        self.added: list[AsyncIterator[UIMessageChunk]] = []
        self.outcomes: list[StreamOutcome] = []

    def put(self, chunk: UIMessageChunk) -> None:
        self.chunks.append(chunk)

    def add(self, chunks: AsyncIterator[UIMessageChunk]) -> None:
        self.added.append(chunks)

    def tell(self, error: Exception) -> str:
        return f"told {error}"

    def decide(self, outcome: StreamOutcome) -> None:
        self.outcomes.append(outcome)


def test_blocks_have_ids_of_their_own_and_are_closed():
    sink = Sink()
    writer = ReplyWriter(sink)
    with writer.step():
        with writer.reasoning_block() as thought:
            thought.write("hm")
            thought.write("")
        writer.text("x")
    assert sink.chunks == [
        StartStep(),
        ReasoningStart(id="block-1"),
        ReasoningDelta(id="block-1", delta="hm"),
        ReasoningEnd(id="block-1"),
        TextStart(id="block-2"),
        TextDelta(id="block-2", delta="x"),
        TextEnd(id="block-2"),
        FinishStep(),
    ]


def test_a_block_is_closed_when_the_application_fails():
    sink = Sink()
    writer = ReplyWriter(sink)
    with pytest.raises(ValueError, match="oops"), writer.step(), writer.text_block():
        raise ValueError("oops")
    assert sink.chunks[-2:] == [TextEnd(id="block-1"), FinishStep()]


def test_data_metadata_and_the_rest_are_passed_on():
    sink = Sink()
    writer = ReplyWriter(sink)
    writer.data("x", None, id="d")
    writer.data("x", 1, transient=True)
    writer.metadata({"a": 1})
    writer.set_outcome("completed")
    assert sink.chunks == [
        DataChunk(type="data-x", data=None, id="d"),
        DataChunk(type="data-x", data=1, transient=True),
        MessageMetadata(message_metadata={"a": 1}),
    ]
    assert sink.outcomes == ["completed"]
    assert writer.error_text(ValueError("x")) == "told x"
