"""Which of a handler's endings counts, and what becomes of metadata."""

from __future__ import annotations

import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.agent._ending import Ending
from chat_transport.agent._states import Completed, Failed, Stopped, Waits
from chat_transport.chunks import Abort, Error, Finish, MessageMetadata, UIMessageChunk

NOTE = {"a": 1}
ENDS = Finish(finish_reason="length", message_metadata=NOTE)


def test_the_gravest_word_wins_and_metadata_is_told() -> None:
    log = ChunkLog()
    ending = Ending(log)
    ending.hold(ENDS)
    ending.hold(Finish(finish_reason="stop"))
    assert ending.held == Finish(finish_reason="stop")
    ending.hold(Error(error_text="no"))
    ending.hold(Finish(message_metadata={"b": 2}))
    ending.hold(Abort())
    assert ending.held == Error(error_text="no")
    assert log.since(0) == [
        MessageMetadata(message_metadata=NOTE),
        MessageMetadata(message_metadata={"b": 2}),
    ]


@pytest.mark.parametrize(
    ("event", "chunk"),
    [
        (Failed("no"), Error(error_text="no")),
        (Stopped("enough"), Abort(reason="enough")),
        (Stopped(), Abort()),
    ],
)
def test_an_end_that_the_handler_did_not_say_tells_its_metadata_first(
    event: Failed | Stopped, chunk: UIMessageChunk
) -> None:
    log = ChunkLog()
    ending = Ending(log)
    ending.hold(ENDS)
    assert ending.last_chunk(event, was_cut=False) == chunk
    assert log.since(0) == [MessageMetadata(message_metadata=NOTE)]


def test_a_reply_that_ends_well_ends_as_its_handler_said_or_as_it_looks() -> None:
    ending = Ending(ChunkLog())
    assert ending.last_chunk(Completed(), was_cut=False) == Finish(finish_reason="stop")
    assert ending.last_chunk(Completed(), was_cut=True) == Finish(finish_reason="other")
    assert ending.last_chunk(Waits(), was_cut=False) == Finish(finish_reason="tool-calls")
    ending.hold(ENDS)
    assert ending.last_chunk(Completed(), was_cut=True) == ENDS
