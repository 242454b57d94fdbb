from __future__ import annotations

from chat_transport.codecs.ably.ai_transport.payload import StreamView


def test_a_streams_text_is_joined_when_read():
    stream = StreamView("1", "ai-output", "t", {}, {}, "1")
    assert stream.text == ""
    stream.pieces += ["a", "b"]
    assert stream.text == "ab"
    stream.pieces.append("c")
    assert stream.text == "abc"
    assert stream.pieces == ["abc"]
