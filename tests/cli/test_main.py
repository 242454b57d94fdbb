from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest

from chat_transport.cli.main import run


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
        (["serve", "--ably-key", "a.b:c", "--channels", ""], "a channel without a name"),
        (["serve", "--web", "/nowhere"], "it has no index.html"),
        (["serve", "--port", "0", "--data", "/nowhere/x.db"], "keep chats in '/nowhere/x.db'"),
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


def test_the_version_is_that_of_the_package(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        run(["--version"])
    assert ended.value.code == 0
    assert capfd.readouterr().out == f"chat-transport {version('chat-transport')}\n"
