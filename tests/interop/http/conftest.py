"""A Redis server, and server processes that share it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import servers
from servers import RedisServer

HERE = Path(__file__).parent


@pytest.fixture
def start(
    redis_server: RedisServer, tmp_path: Path
) -> Iterator[Callable[..., tuple[str, subprocess.Popen]]]:
    """Starts a server process: its URL, and what to kill.

    `before` are words that run the program; anything else goes into its environment.
    """
    with ExitStack() as stack:

        def start_one(*before: str, **settings: str) -> tuple[str, subprocess.Popen]:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(100)  # requests wait here until the process is up
            environment = {
                **os.environ,
                "REDIS": redis_server.url,
                "CHATS": str(tmp_path / "chats.sqlite"),
                "LISTEN_FD": str(listener.fileno()),
                **settings,
            }
            process = subprocess.Popen(
                [*before, sys.executable, HERE / "process_app.py"],
                env=environment,
                pass_fds=[listener.fileno()],
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/chat"
            listener.close()  # the process has its own copy: its death closes the port
            return url, process

        yield start_one


@pytest.fixture
def faketime() -> str:
    program = servers.find_faketime()
    if program is None:
        pytest.skip("faketime is neither installed nor installable (apt-get as root) here")
    return program
