from __future__ import annotations

from chat_transport.chunks import (
    ReasoningDelta,
    ReasoningStart,
    Start,
    StartStep,
    TextDelta,
    TextStart,
)
from chat_transport.messages import ReasoningPart, TextPart, UIMessage
from chat_transport.transports.http.partial_reply import folded_partial


def test_open_parts_are_closed():
    reply = folded_partial(
        [
            Start(message_id="a1"),
            StartStep(),
            ReasoningStart(id="r"),
            ReasoningDelta(id="r", delta="hm"),
            TextStart(id="t"),
            TextDelta(id="t", delta="so f"),
        ],
        UIMessage.user("q", id="u1"),
    )
    assert reply is not None
    assert reply.id == "a1"
    assert reply.text == "so f"
    states = [part.state for part in reply.parts if isinstance(part, TextPart | ReasoningPart)]
    assert states == ["done", "done"]


def test_a_continued_reply_goes_on_where_it_was():
    last = UIMessage(id="a1", role="assistant", parts=[TextPart(text="before")])
    chunks = [Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta=" after")]
    reply = folded_partial(chunks, last)
    assert reply is not None
    assert reply.text == "before after"


def test_nothing_said_is_nothing_to_keep():
    assert folded_partial([], None) is None
    assert folded_partial([Start()], None) is None
    assert folded_partial([Start(message_id="a1")], None) is None
