from __future__ import annotations

from typing import Any

from chat_transport_anthropic import MessagesDecoder

from chat_transport.chunks import Finish, TextDelta


def test_a_further_message_in_the_stream_must_end_by_itself():
    decoder = MessagesDecoder()

    def feed(kind: str, **fields: Any) -> None:
        decoder.feed({"type": kind, **fields})

    feed("message_start", message={"id": "msg_1"})
    feed("message_delta", delta={"stop_reason": "tool_use"})
    feed("message_stop")
    assert decoder.finish_reason == "tool-calls"
    feed("message_start", message={"id": "msg_2"})
    *_, finish = decoder.end()
    assert isinstance(finish, Finish)
    assert finish.finish_reason == "interrupted"


def test_words_that_a_compatible_server_puts_into_the_start_of_a_text_are_not_lost():
    decoder = MessagesDecoder()
    start = {"type": "message_start", "message": {"id": "msg_1"}}
    block = {"index": 0, "content_block": {"type": "text", "text": "a"}}
    delta = {"index": 0, "delta": {"type": "text_delta", "text": "b"}}
    events = [
        start,
        {"type": "content_block_start"} | block,
        {"type": "content_block_delta"} | delta,
    ]
    chunks = [chunk for event in events for chunk in decoder.feed(event)]
    assert [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)] == ["a", "b"]
