from __future__ import annotations

import pytest

from chat_transport.broker.rest.call import path_segments


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/channels/a/messages", ["channels", "a", "messages"]),
        ("/channels/a%2Fb/messages", ["channels", "a/b", "messages"]),
        ("/channels/a+b", ["channels", "a b"]),
        ("/channels/a%20b%2Bc", ["channels", "a b+c"]),
        ("/channels/%E2%98%83", ["channels", "☃"]),
        ("/", [""]),
    ],
)
def test_paths_are_split_before_they_are_decoded(path, segments):
    assert path_segments(path) == segments


def test_both_formats_are_negotiated(world, call):
    world.connect(format="msgpack").publish("c", {"data": b"\x00"})
    (in_json,) = call("GET", "/channels/c/messages").value
    (in_msgpack,) = call("GET", "/channels/c/messages", binary=True).value
    assert (in_json["data"], in_json["encoding"]) == ("AA==", "base64")
    assert (in_msgpack["data"], in_msgpack.get("encoding")) == (b"\x00", None)


@pytest.mark.parametrize("value", ["x", "0", "-1", "1001", "1e400"])
def test_a_bad_limit_is_named(call, value):
    got = call("GET", "/channels/c/messages", limit=value)
    assert (got.status, got.code) == (400, 40003)


def test_a_bad_direction_is_named(call):
    assert call("GET", "/channels/c/messages", direction="up").code == 40003


@pytest.mark.parametrize("binary", [False, True])
def test_one_or_many(call, binary):
    one = call("POST", "/channels/c/messages", body={"data": "1"}, binary=binary)
    many = call("POST", "/channels/c/messages", body=[{"data": "2"}] * 20, binary=binary)
    assert (len(one.value["serials"]), len(many.value["serials"])) == (1, 20)


@pytest.mark.parametrize("body", [b"", b"{", b"7", b"[7]", b'{"name":1}'])
def test_bodies_that_cannot_be_read_are_refused(call, body):
    got = call("POST", "/channels/c/messages", body=body)
    assert (got.status, got.code) == (400, 40000)


def test_links_never_repeat_credentials(world, call):
    peer = world.connect()
    peer.publish("c", {"data": "1"}, {"data": "2"})
    got = call("GET", "/channels/c/messages", auth=None, key="app.key:secret", limit="1")
    assert len(got.value) == 1
    assert "secret" not in got.headers["link"]


def test_a_client_id_in_a_header(call, world):
    call("POST", "/channels/c/messages", body={"data": "x"}, headers={"x-ably-clientid": "Ym9i"})
    assert call("GET", "/channels/c/messages").value[0]["clientId"] == "bob"
    assert call("GET", "/channels/c/messages", headers={"x-ably-clientid": "*"}).code == 40012
