from __future__ import annotations

import itertools

import pytest

from chat_transport.codecs.ably.ai_transport.payload import Close
from chat_transport.codecs.ably.ai_transport.streams import StreamWriter
from chat_transport.codecs.ably.operations import Append, Publish
from chat_transport.errors import LocalProtocolError

OUTPUT = {"run-id": "r"}
TEXT = {"kind": "text", "id": "t"}


@pytest.fixture
def writer():
    numbers = itertools.count(1)
    return StreamWriter(lambda: f"k{next(numbers)}", limit_bytes=1536 + 10)


def status(operation):
    return operation.extras["ai"]["transport"]["status"]


def test_a_stream_is_created_empty_and_every_append_repeats_all_headers(writer):
    (opened,) = writer.open("t", TEXT, OUTPUT)
    (grown,) = writer.grow("t", "hi")
    assert isinstance(opened, Publish)
    assert opened.messages[0].data == ""
    assert grown == Append(key="k1", data="hi", extras=opened.messages[0].extras)
    (closed,) = writer.close(Close("t", {"id": "t", "x": "y"}))
    assert closed.data == ""
    assert closed.extras["ai"]["codec"] == {"kind": "text", "id": "t", "x": "y"}
    assert status(closed) == "complete"


def test_text_that_was_never_streamed_rides_on_the_closing_append(writer):
    writer.open("c", {"kind": "tool-input"}, OUTPUT)
    assert writer.close(Close("c", {}, "{}"))[0].data == "{}"


def test_closing_what_is_not_open_gives_none(writer):
    assert writer.close(Close("t", {})) is None


def test_growing_what_is_not_open_is_our_callers_mistake(writer):
    with pytest.raises(LocalProtocolError, match="no such stream"):
        writer.grow("t", "x")


def test_opening_an_open_stream_completes_the_first(writer):
    writer.open("t", TEXT, OUTPUT)
    closed, opened = writer.open("t", TEXT, OUTPUT)
    assert (closed.key, status(closed)) == ("k1", "complete")
    assert opened.key == "k2"


def test_long_text_goes_on_in_a_further_stream(writer):
    writer.open("t", TEXT, OUTPUT)
    operations = writer.grow("t", "abcdefg€€€€")  # 7 + 12 bytes, 10 to a message
    texts = [operation.data for operation in operations if isinstance(operation, Append)]
    assert texts == ["abcdefg€", "", "€€€"]
    opened = next(operation for operation in operations if isinstance(operation, Publish))
    assert opened.messages[0].extras["ai"]["codec"] == {"kind": "text", "id": "t~2"}
    assert opened.messages[0].extras["ai"]["transport"]["stream-id"] == "t~2"
    assert writer.close(Close("t", {"id": "t"}))[0].extras["ai"]["codec"]["id"] == "t~2"


def test_a_tool_input_that_is_too_long_is_refused(writer):
    writer.open("c", {"kind": "tool-input"}, OUTPUT)
    with pytest.raises(LocalProtocolError, match="larger than"):
        writer.grow("c", "x" * 11)


def test_what_no_message_can_hold_is_refused_with_the_remedy(writer):
    with pytest.raises(LocalProtocolError, match="send a URL instead"):
        writer.require_size("€" * 4, "file")


def test_a_repair_holds_the_whole_text_and_the_newest_headers(writer):
    writer.open("t", TEXT, OUTPUT)
    writer.grow("t", "a")
    writer.grow("t", "b")
    repair = writer.repair("k1")
    assert (repair.data, repair.name, status(repair)) == ("ab", None, "streaming")
    writer.cancel_all()
    assert status(writer.repair("k1")) == "cancelled"
    assert writer.repair("k9") is None


def test_only_a_closed_stream_is_forgotten(writer):
    writer.open("t", TEXT, OUTPUT)
    writer.settled("k1")
    assert writer.repair("k1") is not None
    writer.cancel_all()
    writer.settled("k1")
    assert writer.repair("k1") is None
