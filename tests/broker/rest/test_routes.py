from __future__ import annotations

import pytest


def test_time_needs_no_credentials(world, call):
    assert call("GET", "/time", auth=None).value == [world.now]


def test_statistics_are_empty(call):
    assert call("GET", "/stats").value == []
    assert call("POST", "/stats", body=[]).status == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nope"),
        ("PUT", "/time"),
        ("GET", "/channels"),
        ("GET", "/channels/a/b/c/d/e"),
    ],
)
def test_unknown_paths(call, method, path):
    got = call(method, path)
    assert (got.status, got.code) == (404, 40400)
    assert got.headers["x-ably-errorcode"] == "40400"


def test_names_that_look_like_resources(call):
    call("POST", "/channels/messages/messages", body={"data": "x"})
    assert len(call("GET", "/channels/messages/messages").value) == 1
    assert call("GET", "/channels/presence/presence").value == []
    assert call("GET", "/channels/presence/presence/history").value == []


def test_errors_have_headers_in_ascii(call):
    got = call("POST", "/channels/:☃/messages", body={"data": "x"})
    assert got.code == 40010
    assert got.headers["x-ably-errormessage"].isascii()
