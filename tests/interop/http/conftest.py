"""A Redis server, and server processes that share it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _servers() -> Any:
    spec = importlib.util.spec_from_file_location("servers", HERE.parents[1] / "servers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


servers = _servers()


@pytest.fixture
def redis() -> Iterator[Any]:
    program = servers.find_redis()
    if program is None:
        pytest.skip("redis-server is neither installed nor installable (apt-get as root) here")
    server = servers.RedisServer(program)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start(redis: Any, tmp_path: Path) -> Iterator[Callable[..., tuple[str, subprocess.Popen]]]:
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
                "REDIS": redis.url,
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
