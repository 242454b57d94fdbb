from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from chat_transport.cli.main import run

COMMAND = (sys.executable, "-c", "from chat_transport.cli import run; run()")
DEADLINE_S = 20


class Running:
    """A command under way."""

    def __init__(self, *arguments: str, stdin: int | IO[bytes] | None = None) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"ABLY_API_KEY", "OPENAI_API_KEY"}
        }
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.output = ""

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read what is printed until `pattern` is in it."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                found = re.search(pattern, self.output)
                if found is not None:
                    return found
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
                if not data:
                    self.process.kill()
                    _, errors = self.process.communicate(timeout=DEADLINE_S)
                    pytest.fail(f"no {pattern!r} in {self.output!r}; stderr: {errors.decode()}")
                self.output += data.decode()

    def ready(self) -> str:
        """Wait for the `ready` line; give its address."""
        return self.read_until(r"^ready (\S+)\n")[1]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; give the exit code and stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors.decode()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []

    def begin(*arguments: str, stdin: int | IO[bytes] | None = None) -> Running:
        begun.append(Running(*arguments, stdin=stdin))
        return begun[-1]

    yield begin
    for running in begun:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate(timeout=DEADLINE_S)
        for pipe in (running.process.stdout, running.process.stderr, running.process.stdin):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def refused(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Run a command that must fail with code 2 and one sentence; give the sentence."""
    monkeypatch.delenv("ABLY_API_KEY", raising=False)

    def refuse(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        shown = capfd.readouterr()
        assert (ended.value.code, shown.out) == (2, ""), shown
        assert shown.err.count("\n") == 1, shown.err
        assert shown.err.startswith("chat-transport: ")
        return shown.err

    return refuse


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A web page, built."""
    (tmp_path / "index.html").write_text("<title>the page</title>")
    return tmp_path
