from __future__ import annotations

import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.chunks import Finish, Start, TextDelta, UIMessageChunk
from chat_transport.codecs.ui_stream import encode_chunk
from chat_transport.errors import StreamInterrupted
from chat_transport.transports.http.redis_mirror import RedisMirror
from chat_transport.transports.http.redis_port import Entry, StoredRun
from chat_transport.transports.http.run_log import LoggedRun

REPLY: list[UIMessageChunk] = [
    Start(message_id="a"),
    TextDelta(id="t", delta="line\nbreak"),
    TextDelta(id="t", delta="more"),
    Finish(),
]


def mirror() -> RedisMirror:
    stored = StoredRun(LoggedRun(chat_id="c", run_id="r"), "process-1", 1)
    return RedisMirror(stored, ChunkLog("r"))


def chunks(first: int, after: int, writer: bytes = b"process-") -> Entry:
    lines = b"\n".join(map(encode_chunk, REPLY[first:after]))
    return Entry(b"%d-0" % after, {b"i": b"%d" % first, b"w": writer, b"c": lines})


def end(at: int, how: bytes) -> Entry:
    return Entry(b"9-1", {b"i": b"%d" % at, b"w": b"process-", b"e": how})


def test_what_was_taken_before_is_left_out():
    copy = mirror()
    for entry in (chunks(0, 2), chunks(0, 2), chunks(1, 3), chunks(0, 4), end(4, b"ended")):
        copy.take(entry)
    assert copy.log.since(0) == REPLY
    assert copy.log.closed
    assert copy.log.error is None
    assert copy.last_id == b"9-1"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (chunks(2, 3), "a gap"),
        (end(2, b"ended"), "a gap"),
        (end(1, b"interrupted"), "died"),
        (chunks(1, 3, writer=b"another"), "took the run over"),
    ],
)
def test_a_gap_a_death_or_another_writer_ends_the_copy(entry: Entry, words: str):
    copy = mirror()
    copy.take(chunks(0, 1))
    copy.take(entry)
    assert copy.log.since(0) == REPLY[:1]
    assert isinstance(copy.log.error, StreamInterrupted)
    assert words in str(copy.log.error)
