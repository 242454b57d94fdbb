from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.codecs.sse import SseDecoder, SseEvent, encode_comment, encode_event
from chat_transport.errors import RemoteProtocolError


def events(*pieces: bytes) -> list[SseEvent]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def data_of(*pieces: bytes) -> list[bytes]:
    decoder = SseDecoder()
    return [data for piece in pieces for data in decoder.feed_data(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_line_endings_work(end: bytes):
    body = b"data: a" + end + b"data: b" + end + end + b"data: c" + end + end + b"\n"
    assert [event.data for event in events(body)] == ["a\nb", "c"]


def test_only_a_blank_line_dispatches():
    assert events(b"data: a\n", b"data: b") == []
    assert events(b"\n\nevent: x\n\n") == []
    assert [event.data for event in events(b"data\n\n", b"data:\n\n")] == ["", ""]


def test_one_space_after_the_colon_is_taken():
    assert [event.data for event in events(b"data:a\n\ndata:  b\n\n")] == ["a", " b"]


def test_fields_besides_data():
    found = events(b"id: 7\nevent: tick\nretry: 50\ndata: a\n\ndata: b\n\nid: x\0\ndata: c\n\n")
    assert found == [
        SseEvent("a", event="tick", id="7", retry_ms=50),
        SseEvent("b", id="7"),
        SseEvent("c", id="7"),
    ]


@pytest.mark.parametrize("line", [b" data: x", b"data : x", b"DATA: x", b": data", b"retry: soon"])
def test_what_is_not_a_field_is_ignored(line: bytes):
    assert events(line + b"\n\n") == []


def test_a_byte_order_mark_is_dropped_at_the_start_only():
    assert [e.data for e in events(b"\xef", b"\xbb", b"\xbfdata: a\n\n")] == ["a"]
    assert events(b"\n\xef\xbb\xbfdata: a\n\n") == []
    assert [e.data for e in events(b"\xef\xbb", b"d\ndata: a\n\n")] == ["a"]


def test_broken_text_becomes_replacement_characters():
    assert [event.data for event in events(b"data: \xff\xe2\x82\n\n")] == ["\ufffd\ufffd"]


def test_events_are_bounded():
    decoder = SseDecoder(max_event_bytes=20)
    assert len(decoder.feed(b"data: 0123456789\n\n" * 5)) == 5
    decoder.feed(b"data: 01")
    decoder.feed(b"data: 01")
    with pytest.raises(RemoteProtocolError, match="larger than 20 bytes"):
        decoder.feed(b"data: 01")
    with pytest.raises(RemoteProtocolError, match="larger than 20 bytes"):
        SseDecoder(max_event_bytes=20).feed(b"data: 0123\n" * 5)
    assert SseDecoder(max_event_bytes=None).feed(b"data: " + b"x" * 10_000 + b"\n\n")


@pytest.mark.parametrize("feed", [SseDecoder.feed, SseDecoder.feed_data])
def test_bytes_that_end_a_line_are_counted_too(feed):
    decoder = SseDecoder(max_event_bytes=20)
    feed(decoder, b"d")
    feed(decoder, b"ata: 012345\nd")
    with pytest.raises(RemoteProtocolError, match="larger than 20 bytes"):
        feed(decoder, b"ata: 012345\nd")


def test_data_alone_is_bounded_and_leaves_out_the_rest():
    body = b"event: x\nid: 3\nretry: 5\ndata: a\ndata:b\ndata\n: c\ndatum: d\n\n\n"
    assert data_of(body) == [b"a\nb\n"]
    decoder = SseDecoder(max_event_bytes=20)
    assert len(decoder.feed_data(b"data: 0123456789\n\n" * 5)) == 5
    decoder.feed_data(b"data: 01\n")
    decoder.feed_data(b"id: 012345")
    with pytest.raises(RemoteProtocolError, match="larger than 20 bytes"):
        decoder.feed_data(b"01234")


def test_a_small_bound_counts_bytes_once_however_they_are_split():
    decoder = SseDecoder(max_event_bytes=20)
    for byte in b"data: 0123456789\n\n" * 3:
        decoder.feed(bytes([byte]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(max_size=12), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.data(),
)
def test_splits_change_nothing(texts: list[str], end: bytes, data: st.DataObject):
    body = b"".join(
        encode_comment("c") + encode_event(text.encode("utf-8", "replace")) for text in texts
    ).replace(b"\n", end) + (b"\n" if end == b"\r" else b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    whole = events(body)
    assert events(*pieces) == whole
    assert data_of(*pieces) == [event.data.encode() for event in whole]
    plain = [
        t.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
        for t in texts
    ]
    assert [event.data for event in whole] == plain


def test_an_event_may_carry_an_id_and_a_name():
    assert encode_event(b"a\r\nb", event="x", id="3") == b"id: 3\nevent: x\ndata: a\ndata: b\n\n"
    assert encode_comment("keep-alive") == b": keep-alive\n\n"
