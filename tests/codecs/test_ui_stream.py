from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.chunks import (
    ABSENT,
    DataChunk,
    OpaqueChunk,
    Start,
    TextDelta,
    TextEnd,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.codecs.ui_stream import (
    DONE,
    UIStreamDecoder,
    chunk_to_wire,
    decode_chunk,
    encode_chunk,
    encode_sse,
)
from chat_transport.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("chunk", "wire"),
    [
        (Start(), b'{"type":"start"}'),
        (TextDelta(id="t", delta="\u00e9\u2028"), '{"type":"text-delta","id":"t","delta":"\u00e9\u2028"}'.encode()),
        (ToolOutputAvailable(tool_call_id="c", output=None), b'{"type":"tool-output-available","toolCallId":"c","output":null}'),
        (DataChunk(type="data-x", data=None), b'{"type":"data-x","data":null}'),
        (DataChunk(type="data-x", data=ABSENT), b'{"type":"data-x"}'),
        (Start(extra={"later": 1}), b'{"type":"start","later":1}'),
        (OpaqueChunk(type="later", fields={"a": 1}), b'{"type":"later","a":1}'),
        (TextDelta(id="t", delta="\ud83d"), b'{"type":"text-delta","id":"t","delta":"\\ud83d"}'),
    ],
)  # fmt: skip
def test_a_chunk_is_written_compactly_without_absent_fields(chunk: UIMessageChunk, wire: bytes):
    assert encode_chunk(chunk) == wire
    assert encode_sse(chunk) == b"data: " + wire + b"\n\n"
    if "data" not in type(chunk).__struct_fields__ or chunk.data is not ABSENT:  # type: ignore[attr-defined]
        assert decode_chunk(wire) == chunk
        assert decode_chunk(wire.decode()) == chunk
        assert decode_chunk(chunk_to_wire(chunk)) == chunk


def test_unknown_fields_are_kept_beside_known_ones():
    chunk = decode_chunk(b'{"type":"text-delta","id":"t","delta":"x","later":{"a":null}}')
    assert chunk == TextDelta(id="t", delta="x", extra={"later": {"a": None}})
    odd = decode_chunk({"type": "start", "__extra__": {"messageId": "x"}})
    assert odd == Start(extra={"__extra__": {"messageId": "x"}})
    assert chunk_to_wire(odd) == {"type": "start", "__extra__": {"messageId": "x"}}


def test_unknown_types_pass_unless_refused():
    assert decode_chunk({"type": "later", "a": 1}) == OpaqueChunk(type="later", fields={"a": 1})
    with pytest.raises(RemoteProtocolError, match="unknown type 'later'"):
        decode_chunk({"type": "later"}, unknown="refuse")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "unable to read chunk"),
        ("[]", "expected an object with a `type`"),
        ({"type": 5}, "expected an object with a `type`"),
        ({"type": "text-delta", "id": "t"}, "'text-delta'.*missing required field `delta`"),
        ({"type": "text-delta", "id": "t", "delta": None}, r"expected `str`, got `null` - at `\$\.delta`"),
        ({"type": "start", "messageId": None}, "got `null`"),
        ({"type": "text-start", "id": "t", "providerMetadata": {"a": 1}}, "expected `object`"),
        ({"type": "finish", "finishReason": "unknown"}, "invalid enum value"),
        ({"type": "data-x"}, "missing required field `data`"),
        ({"type": "steering-message", "id": "s", "parts": [{"type": "reasoning"}]}, "invalid value"),
        (b'{"type":"start","messageMetadata":{"__proto__":1}}', "forbidden key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(data: Any, reason: str):
    with pytest.raises(RemoteProtocolError, match=reason):
        decode_chunk(data)


def test_citations_lose_unknown_keys():
    source = {"type": "source", "sourceType": "url", "id": "s", "url": "u"}
    chunk = decode_chunk(
        {"type": "text-end", "id": "t", "citations": [{"source": {**source, "x": 1}}]}
    )
    assert isinstance(chunk, TextEnd)
    assert chunk.citations == [{"source": source}]


def test_what_json_cannot_hold_is_our_own_fault():
    with pytest.raises(LocalProtocolError, match="unable to write chunk 'data-x'"):
        encode_chunk(DataChunk(type="data-x", data=object()))
    with pytest.raises(LocalProtocolError, match="unable to write chunk 'start'"):
        encode_chunk(Start(extra={"x": object()}))


def test_chunks_before_a_bad_one_are_given_first():
    decoder = UIStreamDecoder()
    assert decoder.feed(encode_sse(Start()) + b"data: nope\n\n" + encode_sse(Start())) == [Start()]
    with pytest.raises(RemoteProtocolError, match="unable to read chunk"):
        decoder.feed(encode_sse(Start()))
    with pytest.raises(RemoteProtocolError):
        decoder.close()


def test_a_bad_first_event_is_raised_at_once():
    with pytest.raises(RemoteProtocolError):
        UIStreamDecoder().feed(b"data: nope\n\n")


def test_done_is_noted_and_ends_nothing():
    decoder = UIStreamDecoder()
    assert decoder.feed(DONE + encode_sse(Start())) == [Start()]
    assert decoder.done
    decoder.close()


def test_an_unfinished_event_is_dropped():
    decoder = UIStreamDecoder()
    assert decoder.feed(b'data: {"type":"start"}\n') == []
    decoder.close()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_recorded_chunks_survive_any_split(data: st.DataObject):
    vectors = Path(__file__).resolve().parents[1] / "vectors" / "ui" / "emission.json"
    values = data.draw(st.sampled_from(json.loads(vectors.read_text())))["chunks"]
    body = b"".join(encode_sse(decode_chunk(value)) for value in values) + DONE
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=10)))
    decoder = UIStreamDecoder(unknown="refuse")
    found: list[UIMessageChunk] = []
    for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += decoder.feed(body[begin:end])
    decoder.close()
    assert [chunk_to_wire(chunk) for chunk in found] == values
