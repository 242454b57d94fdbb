from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

QUESTION = {
    "id": "c1",
    "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
    "trigger": "submit-message",
}


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


@pytest.mark.parametrize("command", ["demo", "serve", "broker"])
def test_a_second_signal_ends_it_as_cleanly(start: Callable[..., Any], command: str):
    running = start(command, "--port", "0")
    running.ready()
    running.process.send_signal(signal.SIGINT)
    assert running.end(signal.SIGINT) == (0, "")
