from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_transport.cli.main import run

QUESTION = {
    "id": "c1",
    "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
    "trigger": "submit-message",
}


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def post(url: str, body: Any) -> str:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["demo", "serve", "broker"])
def test_a_command_says_ready_and_ends_cleanly(
    start: Callable[..., Any], command: str, number: int
):
    running = start(command, "--port", "0")
    assert running.ready().startswith("http://127.0.0.1:")
    assert running.end(number) == (0, "")


@pytest.mark.parametrize("command", ["demo", "serve", "broker"])
def test_a_taken_port_is_one_sentence(refused: Callable[..., str], command: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        sentence = refused(command, "--port", port)
    assert f"unable to listen on 127.0.0.1:{port}" in sentence
    assert "choose another with --port" in sentence


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
        (["check", "vectors", "/nowhere"], "no such file or folder"),
    ],
)
def test_bad_arguments_are_one_sentence(
    refused: Callable[..., str], arguments: list[str], reason: str
):
    sentence = refused(*arguments)
    assert reason in sentence
    assert "secret-words" not in sentence


def test_serve_without_ably_answers_chats_and_shows_the_page(start: Callable[..., Any], page: Path):
    address = start("serve", "--port", "0", "--model", "demo:fast", "--web", str(page)).ready()
    assert "the page" in get(f"{address}/")
    assert json.loads(get(f"{address}/config.json")) == {"model": "demo:fast", "ably": None}
    reply = post(f"{address}/api/chat", QUESTION)
    assert reply.startswith(": stream-open")
    assert '"type":"finish"' in reply
    assert reply.endswith("data: [DONE]\n\n")
    assert [m["role"] for m in json.loads(get(f"{address}/api/chat/c1"))["messages"]] == [
        "user",
        "assistant",
    ]
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(f"{address}/api/auth/token?clientId=me")
    assert refusal.value.code == 404


def test_the_demo_tells_the_page_where_ably_is_and_gives_tokens(start: Callable[..., Any]):
    address = start("demo", "--port", "0", "--model", "demo:fast").ready()
    ably = json.loads(get(f"{address}/config.json"))["ably"]
    assert ably["channelPrefix"] == "ai:"
    assert ably["clientOptions"]["endpoint"] == "127.0.0.1"
    assert ably["clientOptions"]["tls"] is False
    assert get(f"{address}/api/auth/token?clientId=me").count(".") == 2
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(f"{address}/api/auth/token?clientId=agent")
    assert refusal.value.code == 403


def test_a_run_under_way_does_not_hold_up_the_end(start: Callable[..., Any]):
    running = start("serve", "--port", "0")
    address = running.ready()
    words = [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "stream 5000 words"}]}]
    request = urllib.request.Request(
        f"{address}/api/chat",
        json.dumps({**QUESTION, "messages": words}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        while b"text-delta" not in answer.readline():
            pass
        running.process.send_signal(signal.SIGTERM)
        rest = answer.read().decode()
    assert '"type":"abort"' in rest
    assert running.process.wait(timeout=10) == 0


def test_a_key_makes_the_agent_use_ably(start: Callable[..., Any]):
    broker = start("broker", "--port", "0", "--key", "app.key:secret").ready()
    endpoint = broker.removeprefix("http://")
    served = start(
        "serve", "--port", "0", "--ably-key", "app.key:secret", "--ably-endpoint", endpoint,
        "--no-tls", "--channels", "chats:*",
    )  # fmt: skip
    config = json.loads(get(f"{served.ready()}/config.json"))
    assert config["ably"]["channelPrefix"] == "chats:"
    assert served.end() == (0, "")


def test_a_key_that_ably_refuses_is_one_sentence(
    start: Callable[..., Any], refused: Callable[..., str]
):
    broker = start("broker", "--port", "0", "--key", "app.key:secret").ready()
    endpoint = broker.removeprefix("http://")
    sentence = refused(
        "serve",
        "--port",
        "0",
        "--ably-key",
        "app.key:wrong",
        "--ably-endpoint",
        endpoint,
        "--no-tls",
    )
    assert "signature" in sentence
    assert "app.key:" not in sentence


def test_checking_gives_a_line_for_each_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    case = {"name": "merge/own", "base": {"a": 1}, "override": {"b": 2}, "result": {"a": 1, "b": 2}}
    wrong = {**case, "name": "merge/wrong", "result": {}}
    (tmp_path / "merge.json").write_text(json.dumps([case]))
    with pytest.raises(SystemExit) as ended:
        run(["check", "vectors", str(tmp_path)])
    assert (ended.value.code, capsys.readouterr().out) == (0, "1 passed, 0 failed\n")
    (tmp_path / "merge.json").write_text(json.dumps([case, wrong]))
    with pytest.raises(SystemExit) as ended:
        run(["check", "vectors", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert "merge/wrong" in lines[0]
    assert lines[-1] == "1 passed, 1 failed"


def test_checking_nothing_is_refused(tmp_path: Path, refused: Callable[..., str]):
    assert "there is nothing to check" in refused("check", "vectors", str(tmp_path))
