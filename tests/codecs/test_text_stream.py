from __future__ import annotations

from chat_transport.chunks import (
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
)
from chat_transport.codecs.text_stream import TextStreamDecoder


def deltas(*pieces: bytes) -> list[str]:
    decoder = TextStreamDecoder()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)] + list(decoder.close())
    return [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)]


def test_text_gets_the_frame_of_a_reply():
    decoder = TextStreamDecoder()
    assert list(decoder.open()) == [Start(), StartStep(), TextStart(id="text-1")]
    assert list(decoder.feed(b"x")) == [TextDelta(id="text-1", delta="x")]
    assert list(decoder.close()) == [TextEnd(id="text-1"), FinishStep(), Finish()]


def test_split_characters_are_joined_and_broken_ones_replaced():
    assert deltas(b"\xf0\x9f", b"\xa6\x88", b"!") == ["\U0001f988", "!"]
    assert deltas(b"ok", b"\xe2\x82") == ["ok", "\ufffd"]
    assert deltas(b"", b"\xff") == ["\ufffd"]
