from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Missing command"),
        (["bogus"], "No such command"),
        (["serve", "--port", "abc"], "valid integer"),
        (["serve", "--port", "99999"], "ports go from 0 to 65535"),
        (["serve", "--model", "nobody:x"], "unable to find an adapter"),
        (["serve", "--no-tls"], "unable to use Ably without a key"),
        (["serve", "--ably-key", "secret-words"], "appId.keyId:secret"),
        (["serve", "--web", "/nowhere"], "it has no index.html"),
        (["broker", "--key", "secret-words"], "appId.keyId:secret"),
        (["broker", "--namespace", "a:b"], "a namespace looks like"),
        (["broker", "--cert", "x.pem"], "give both --cert and --cert-key"),
        (["broker", "--port", "0", "--cert", "x", "--cert-key", "y"], "unable to use"),
        (["check", "vectors", "/nowhere"], "no such file or folder"),
    ],
)
def test_bad_arguments_are_one_sentence(
    refused: Callable[..., str], arguments: list[str], reason: str
):
    sentence = refused(*arguments)
    assert reason in sentence
    assert "secret-words" not in sentence
