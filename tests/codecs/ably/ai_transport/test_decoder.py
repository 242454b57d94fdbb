from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.ai_transport.decoder import Decoder
from chat_transport.codecs.ably.ai_transport.ui_chunks import UIChunkCodec
from chat_transport.codecs.ably.operations import Inbound

START, END = c.TextStart(id="t"), c.TextEnd(id="t")


def delta(text):
    return c.TextDelta(id="t", delta=text)


def delivery(action, version, data="", *, status="streaming", name="ai-output", bare=False):
    transport = {"stream": "true", "status": status, "stream-id": "t", "run-id": "r"}
    extras = None if bare else h.envelope(transport, {"kind": "text", "id": "t"})
    return Inbound(action=action, serial="1", version=version, name=name, data=data, extras=extras)


@pytest.fixture
def decoder():
    return Decoder(UIChunkCodec())


def said(decoder, *deliveries):
    found = [decoder.feed(inbound) for inbound in deliveries]
    return [list(decoded.chunks) if decoded is not None else None for decoded in found]


def test_a_stream_grows_and_ends(decoder):
    assert said(
        decoder,
        delivery("create", "1"),
        delivery("append", "1:1", "a", name=None),
        delivery("append", "1:2", "b", status="complete", name=None),
    ) == [[START], [delta("a")], [delta("b"), END]]


def test_a_cancelled_stream_simply_stops(decoder):
    assert said(
        decoder, delivery("create", "1"), delivery("append", "1:1", status="cancelled")
    ) == [[START], []]
    assert decoder.feed(delivery("append", "1:2", "late")) is None


def test_appends_may_lack_extras_and_name(decoder):
    assert said(
        decoder, delivery("create", "1"), delivery("append", "1:1", "a", name=None, bare=True)
    ) == [[START], [delta("a")]]


def test_an_update_that_extends_the_text_is_a_delta(decoder):
    assert said(
        decoder,
        delivery("create", "1"),
        delivery("append", "1:1", "a"),
        delivery("update", "1:3", "abc", status="complete"),
        delivery("append", "1:2", "b"),
    ) == [[START], [delta("a")], [delta("bc"), END], None]


@pytest.mark.parametrize("action", ["update", "append", "create"])
def test_first_contact_gives_what_was_said_before(decoder, action):
    assert said(decoder, delivery(action, "1:4", "abc"), delivery("append", "1:5", "d")) == [
        [START, delta("abc")],
        [delta("d")],
    ]


def test_first_contact_with_a_finished_stream(decoder):
    assert said(decoder, delivery("update", "1:4", "abc", status="complete")) == [
        [START, delta("abc"), END]
    ]


def test_repeated_and_older_deliveries_give_nothing(decoder):
    once = [delivery("create", "1"), delivery("append", "1:1", "a"), delivery("append", "1:2", "b")]
    said(decoder, *once)
    assert said(decoder, *once) == [None, None, None]


def test_an_update_that_does_not_extend_the_text_replaces_it(decoder):
    said(decoder, delivery("create", "1"), delivery("append", "1:1", "x1 x3"))
    decoded = decoder.feed(delivery("update", "1:2", "x1 x2 x3"))
    assert decoded.replaced
    assert decoded.stream.text == "x1 x2 x3"
    assert said(decoder, delivery("append", "1:3", "!")) == [[delta("!")]]


def test_a_finished_stream_can_still_be_put_right(decoder):
    said(decoder, delivery("create", "1"), delivery("append", "1:1", "x1", status="complete"))
    decoded = decoder.feed(delivery("update", "1:2", "x1 x2", status="complete"))
    assert decoded.replaced
    assert decoded.stream.text == "x1 x2"
    assert decoder.feed(delivery("update", "1:3", "x1 x2", status="complete")) is None


def test_nothing_follows_a_deletion(decoder):
    said(decoder, delivery("create", "1"))
    assert said(decoder, delivery("delete", "1:1"), delivery("append", "1:2", "a")) == [None, None]


def test_data_that_is_no_text_is_no_delta(decoder):
    assert said(decoder, delivery("create", "1"), delivery("append", "1:1", {"a": 1})) == [
        [START],
        None,
    ]


def test_foreign_messages_give_nothing(decoder):
    for name in ("chat", None, "ai-output"):
        inbound = Inbound(action="append", serial="9", version="9", name=name, data="x")
        assert decoder.feed(inbound) is None
    other = Inbound(
        action="create", serial="8", version="8", name="chat", extras=h.envelope({"a": "b"})
    )
    assert decoder.feed(other) is None
    assert decoder.feed(delivery("summary", "1")) is None


def test_a_discrete_message_is_read_once_and_cannot_be_edited(decoder):
    extras = h.envelope({"stream": "false"}, {"kind": "start-step"})
    first = Inbound(action="create", serial="2", version="2", name="ai-output", extras=extras)
    assert said(decoder, first, first) == [[c.StartStep()], None]
    edited = Inbound(action="update", serial="2", version="3", name="ai-output", extras=extras)
    assert decoder.feed(edited) is None
