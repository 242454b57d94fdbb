from __future__ import annotations

import json

import msgspec
import pytest

from chat_transport.broker.frames import (
    Action,
    Frame,
    Message,
    decode_body,
    decode_frame,
    encode_body,
    encode_frame,
    from_wire,
    salvage,
)
from chat_transport.broker.refusal import Refusal


def test_null_is_absent_and_unknown_fields_are_ignored():
    frame = decode_frame('{"action":15,"params":null,"size":7,"messages":[{"data":null}]}')
    assert frame == Frame(15, messages=[Message()])


def test_zero_is_sent_and_absent_is_not():
    assert json.loads(encode_frame(Frame(Action.ACK, msg_serial=0, count=1), binary=False)) == {
        "action": 1,
        "msgSerial": 0,
        "count": 1,
    }


def test_binary_data_is_base64_in_json_and_raw_in_msgpack():
    frame = Frame(15, messages=[Message(data=b"\x00\xff", encoding="cipher+aes-128-cbc")])
    (in_json,) = json.loads(encode_frame(frame, binary=False))["messages"]
    assert in_json == {"data": "AP8=", "encoding": "cipher+aes-128-cbc/base64"}
    (in_msgpack,) = msgspec.msgpack.decode(encode_frame(frame, binary=True))["messages"]
    assert in_msgpack == {"data": b"\x00\xff", "encoding": "cipher+aes-128-cbc"}


@pytest.mark.parametrize("binary", [False, True])
def test_what_one_side_sends_the_other_reads(binary):
    frame = Frame(15, channel="c", messages=[Message(name="ü", data="☃", extras={"a": [1, None]})])
    assert decode_frame(encode_frame(frame, binary=binary)) == frame


def test_inbound_base64_becomes_bytes():
    assert from_wire(Message(data="AP8=", encoding="base64")) == Message(data=b"\x00\xff")
    assert from_wire(Message(data="AP8=", encoding="utf-8/base64")) == Message(
        data=b"\x00\xff", encoding="utf-8"
    )


def test_inbound_json_values_become_text():
    assert from_wire(Message(data={"a": 1})) == Message(data='{"a":1}', encoding="json")


@pytest.mark.parametrize("data", [1, 1.5, True])
def test_bare_numbers_and_booleans_are_refused(data):
    with pytest.raises(Refusal) as caught:
        from_wire(Message(data=data))
    assert caught.value.code == 40013


def test_bad_base64_is_refused():
    with pytest.raises(Refusal) as caught:
        from_wire(Message(data="*", encoding="base64"))
    assert caught.value.code == 40013


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "[]",
        "null",
        '{"action":"x"}',
        '{"messages":[]}',
        "[" * 5000,
        b"",
        b"\xc1",
        b"\x92\x01",
    ],
)
def test_malformed_frames_are_refused(payload):
    with pytest.raises(Refusal) as caught:
        decode_frame(payload)
    assert caught.value.code == 40000


def test_a_malformed_frame_still_gives_its_names():
    assert salvage('{"action":15,"channel":"c","msgSerial":3,"messages":7}') == (15, "c", 3)
    assert salvage(msgspec.msgpack.encode({"action": 10, "channel": "c"})) == (10, "c", None)
    assert salvage('{"action":true,"channel":1,"msgSerial":"0"}') == (None, None, None)
    assert salvage("{") == (None, None, None)


def test_bodies_are_typed_and_lists_transcoded():
    assert decode_body(b'{"data":"x"}', Message, binary=False) == Message(data="x")
    assert decode_body(msgspec.msgpack.encode({"data": b"x"}), Message, binary=True).data == b"x"
    assert json.loads(encode_body([Message(data=b"x")], binary=False)) == [
        {"data": "eA==", "encoding": "base64"}
    ]
    with pytest.raises(Refusal):
        decode_body(b"[1]", Message, binary=False)
