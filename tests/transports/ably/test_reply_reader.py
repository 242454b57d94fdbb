"""One reader of one reply; more of it in test_chat_session.py."""

from __future__ import annotations

import pytest

from chat_transport.chunks import Finish, StartStep, TextStart
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


async def test_what_was_replaced_interrupts() -> None:
    reader = ReplyReader("r")
    reader.take(Heard(ref=REF, chunks=[TextStart(id="t")], is_replaced=True))
    assert await anext(reader.stream) == TextStart(id="t")
    with pytest.raises(StreamInterrupted):
        await anext(reader.stream)
