"""A Redis server for tests: the installed one, or Debian's package where that can be installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["RedisServer", "find_redis"]

_USUAL_PLACES = ("/usr/bin/redis-server", "/usr/local/bin/redis-server")


def find_redis() -> str | None:
    """Give the path of redis-server, installing it if we may; None if there is none."""
    found = shutil.which("redis-server") or next(
        (place for place in _USUAL_PLACES if Path(place).exists()), None
    )
    if found is not None:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "update", "-qq"], [apt, "install", "-y", "-qq", "redis-server"]):
        subprocess.run(command, env=environment, capture_output=True, check=False)
    return shutil.which("redis-server")


class RedisServer:
    """One server on a port of its own, without files, that can be killed and started again."""

    def __init__(self, program: str) -> None:
        self._program = program
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {"--save": "", "--appendonly": "no", "--bind": "127.0.0.1"}
        options |= {"--port": str(self.port), "--loglevel": "warning"}
        command = [self._program, *(word for option in options.items() for word in option)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)  # a server says by nothing but its port that it is up
        raise TimeoutError(f"redis-server did not open port {self.port}")

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash would: what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None
