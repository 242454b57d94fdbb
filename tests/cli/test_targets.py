from __future__ import annotations

from collections.abc import Callable

import pytest

from chat_transport.cli._targets import http_target


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("http://x:1", "http://x:1/api/chat"),
        ("http://x:1/", "http://x:1/api/chat"),
        ("https://x/own/chat", "https://x/own/chat"),
    ],
)
def test_an_address_without_a_path_means_the_usual_one(address: str, endpoint: str):
    assert http_target(address)[1] == endpoint


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["http://127.0.0.1:1"], "unable to reach"),
        (["ftp://x"], "give http://HOST:PORT or ably:CHANNEL"),
        (["ably:"], "unable to chat without a channel"),
        (["ably:x"], "unable to use Ably without a key"),
        (["ably:x", "--ably-key", "secret-words"], "appId.keyId:secret"),
        (["ably:x", "--server", "http://127.0.0.1:1"], "unable to read http://127.0.0.1:1/config"),
        (["ably:x", "--server", "file:///etc"], "give --server http://HOST:PORT"),
    ],
)
def test_what_cannot_be_reached_is_one_sentence(
    refused: Callable[..., str], arguments: list[str], reason: str
):
    assert reason in refused("chat", *arguments)
