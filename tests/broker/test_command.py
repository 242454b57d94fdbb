from __future__ import annotations

import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from chat_transport.broker import Namespace
from chat_transport.broker.command import parse_namespace, run


def test_namespaces_are_read():
    assert parse_namespace("plain") == Namespace("plain")
    assert parse_namespace("ai:mutable,persisted") == Namespace(
        "ai", persisted=True, mutable_messages=True
    )
    for text in ("", ":mutable", "ai:fast"):
        with pytest.raises(ValueError, match="namespace"):
            parse_namespace(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "nonsense"],
        ["--namespace", "ai:fast"],
        ["--data", "/nonexistent/folder/b.sqlite"],
        ["--cert", "none.pem", "--cert-key", "none.pem"],
    ],
)
def test_bad_arguments_end_with_one_sentence(arguments, capsys):
    assert run(["--port", "0", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("chat-transport broker: ")
    assert said.err.count("\n") == 1


def test_a_certificate_without_its_key_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        run(["--port", "0", "--cert", "a.pem"])
    assert caught.value.code == 2
    assert "give both --cert and --cert-key" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_ready_serves_and_ends_cleanly(number, tmp_path):
    command = [sys.executable, "-m", "chat_transport.broker", "--port", "0", "--inspect"]
    command += ["--data", str(tmp_path / "b.sqlite"), "--namespace", "plain:persisted"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            ready, _, url = process.stdout.readline().strip().partition(" ")
            assert ready == "ready"
            with urlopen(f"{url}/inspect/state", timeout=5) as got:
                assert got.status == 200
            port = url.rpartition(":")[2]
            taken = subprocess.run(
                [sys.executable, "-m", "chat_transport.broker", "--port", port],
                capture_output=True,
                text=True,
                check=False,
                timeout=20,
            )
            assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)
            assert port in taken.stderr
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
            assert (process.returncode, out, err) == (0, "", "")
        finally:
            process.kill()


def test_without_its_extra_it_says_what_to_install():
    program = """
import runpy, sys
sys.modules["uvicorn"] = None  # as if it were not installed
runpy.run_module("chat_transport.broker", run_name="__main__")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "chat-transport broker: the broker needs the package 'uvicorn'; "
        "pip install 'chat-transport[broker]'\n"
    )
