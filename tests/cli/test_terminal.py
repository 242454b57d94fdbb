from __future__ import annotations

import os
import pty
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from chat_transport.cli._terminal import LineReader

DEADLINE_S = 20


class Terminal:
    """A command on a terminal of its own, as a user has it."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from chat_transport.cli import run; run()", *arguments],
            preexec_fn=lambda: os.login_tty(slave),  # noqa: PLW1509  # Ctrl-C shall reach it
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        )
        os.close(slave)
        self.screen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read_until(self, pattern: str) -> None:
        """Read until `pattern` comes, and forget what came before its end."""
        deadline = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._master, selectors.EVENT_READ)
            while (found := re.search(pattern, self.screen)) is None:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    pytest.fail(f"no {pattern!r} on {self.screen!r}")
                try:
                    self.screen += os.read(self._master, 65536).decode(errors="replace")
                except OSError:  # the other side is gone
                    pytest.fail(f"ended without {pattern!r} on {self.screen!r}")
        self.screen = self.screen[found.end() :]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=DEADLINE_S)
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_ctrl_c_stops_the_reply_and_then_leaves(
    start: Callable[..., Any], terminal: Callable[..., Terminal]
):
    address = start("serve", "--port", "0", "--model", "demo").ready()
    first = terminal("chat", address, "--id", "long")
    first.read_until(r"ready http://\S+/api/chat\r\n")
    first.read_until("> ")
    first.type("stream 2000 words\n")
    first.read_until(r"(\w+ ){10}")
    first.type("\x03")
    first.read_until("stopped")
    first.read_until("> ")
    first.type("\x03")
    assert first.process.wait(timeout=DEADLINE_S) == 0

    again = terminal("chat", address, "--id", "long")
    again.read_until("user: stream 2000 words")
    again.read_until(r"(\w+ ){5}")
    again.read_until("> ")
    again.type("\x04")
    assert again.process.wait(timeout=DEADLINE_S) == 0


def test_an_approval_is_asked_for_and_the_reply_goes_on(
    start: Callable[..., Any], terminal: Callable[..., Terminal]
):
    address = start("serve", "--port", "0", "--model", "demo:fast").ready()
    chat = terminal("chat", address)
    chat.read_until("> ")
    chat.type("send an email to bob\n")
    chat.read_until(r"allow send_email\(.*\)\? \[y/N\] ")
    chat.type("y\n")
    chat.read_until("on its way")
    chat.read_until("> ")
    chat.type("/again\n")
    chat.read_until(r"\[y/N\] ")
    chat.type("n\n")
    chat.read_until("refused")
    chat.read_until("> ")
    chat.type("/quit\n")
    assert chat.process.wait(timeout=DEADLINE_S) == 0


def test_a_chat_over_ably_is_the_same_for_another_client(
    start: Callable[..., Any], terminal: Callable[..., Terminal]
):
    address = start("demo", "--port", "0", "--model", "demo:fast").ready()
    ada = terminal("chat", "ably:ai:shared", "--server", address, "--client-id", "ada")
    ada.read_until("ready ably:ai:shared\r\n")
    ada.read_until("> ")
    bob = terminal("chat", "ably:ai:shared", "--server", address, "--client-id", "bob")
    bob.read_until("> ")
    ada.type("hello\n")
    ada.read_until("demo model")
    bob.read_until("user: hello")
    bob.read_until("demo model")
    for chat in (ada, bob):
        chat.read_until("> ")
        chat.type("\x03")
        assert chat.process.wait(timeout=DEADLINE_S) == 0


@pytest.mark.anyio
async def test_lines_come_whole_and_end_with_the_input(anyio_backend: str, tmp_path: Path):
    reading, writing = os.pipe()
    lines = LineReader(reading)
    with anyio.fail_after(5):
        os.write(writing, b"one\r\ntwo\nthr")
        assert await lines.read() == "one"
        assert await lines.read() == "two"
        with anyio.move_on_after(0.02):
            await lines.read()
        os.write(writing, "eé".encode())
        os.close(writing)
        assert await lines.read() == "threé"
        assert await lines.read() is None
    os.close(reading)


@pytest.mark.anyio
async def test_lines_of_a_file_are_read(anyio_backend: str, tmp_path: Path):
    path = tmp_path / "said.txt"
    path.write_text("one\ntwo\n")
    with path.open("rb") as file, anyio.fail_after(5):
        lines = LineReader(file.fileno())
        assert [await lines.read(), await lines.read(), await lines.read()] == ["one", "two", None]
