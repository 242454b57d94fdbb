"""Servers for tests: the installed ones, or Debian's packages where those can be installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

__all__ = [
    "PostgresServer",
    "RedisCluster",
    "RedisServer",
    "find_faketime",
    "find_postgres",
    "find_redis",
]


def find_redis() -> str | None:
    """Give the path of redis-server, installing it if we may; None if there is none."""
    return _found("redis-server", "usr/bin/redis-server", "usr/local/bin/redis-server")


def find_postgres() -> str | None:
    """Give the folder of PostgreSQL's programs, installing them if we may; None if there is none."""
    program = _found("postgresql", "usr/lib/postgresql/*/bin/initdb", program="initdb")
    return None if program is None else str(Path(program).resolve().parent)


def find_faketime() -> str | None:
    """Give the path of faketime, installing it if we may; None if there is none."""
    return _found("faketime", "usr/bin/faketime")


def _found(package: str, *places: str, program: str | None = None) -> str | None:
    found = _look_for(program or package, places)
    apt = shutil.which("apt-get")
    if found is not None or apt is None or os.geteuid() != 0:
        return found
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patient = [apt, "-o", "DPkg::Lock::Timeout=120", "-qq"]  # another test process may install too
    for command in ([*patient, "update"], [*patient, "install", "-y", package]):
        subprocess.run(command, env=environment, capture_output=True, check=False)
    return _look_for(program or package, places)


def _look_for(program: str, places: tuple[str, ...]) -> str | None:
    usual = [str(path) for place in places for path in sorted(Path("/").glob(place), reverse=True)]
    return shutil.which(program) or next(iter(usual), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Server:
    """A program on a port of its own, that can be killed and started again."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, command: list[str], user: str | None = None) -> None:
        self._process = subprocess.Popen(
            command, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)  # a server says by nothing but its port that it is up
        raise TimeoutError(f"{command[0]} did not open port {self.port}")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None

    def pause(self) -> None:
        """Make it deaf: its port stays open, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it hear again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class RedisServer(_Server):
    """Redis without files: what it held is gone when it is killed."""

    def __init__(self, program: str, **options: str) -> None:
        super().__init__()
        self._program = program
        self.bus = ""
        self._options = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {"--save": "", "--appendonly": "no", "--bind": "127.0.0.1"}
        options |= {"--port": str(self.port), "--loglevel": "warning", **self._options}
        words = (word for option in options.items() for word in option)
        self._run([self._program, *words])


class RedisCluster:
    """Three Redis servers that share the keys among them; no replicas, so one that falls is missed."""

    SLOTS = 16384

    def __init__(self, program: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self.servers: list[RedisServer] = []
        for number in range(3):
            folder = Path(self._folder, str(number))
            folder.mkdir()
            bus = str(_free_port())  # by default the port and 10,000, which may be too high
            options = {"cluster_enabled": "yes", "cluster_port": bus, "dir": str(folder)}
            options["cluster_node_timeout"] = "1000"
            self.servers.append(RedisServer(program, **options))
            self.servers[-1].bus = bus
        self.port = self.servers[0].port

    def start(self) -> None:
        for server in self.servers:
            server.start()
        cli = str(Path(self.servers[0]._program).with_name("redis-cli"))

        def tell(server: RedisServer, *words: str) -> str:
            command = [cli, "-p", str(server.port), *words]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        share = -(-self.SLOTS // len(self.servers))
        for number, server in enumerate(self.servers):
            first, last = number * share, min((number + 1) * share, self.SLOTS) - 1
            tell(server, "cluster", "addslotsrange", str(first), str(last))
            met = self.servers[0]
            tell(server, "cluster", "meet", "127.0.0.1", str(met.port), met.bus)
        deadline = time.monotonic() + 20
        while not all("cluster_state:ok" in tell(each, "cluster", "info") for each in self.servers):
            if time.monotonic() > deadline:
                raise TimeoutError("the servers did not become a cluster")
            time.sleep(0.02)  # servers tell each other in their own time

    def remove(self) -> None:
        for server in self.servers:
            server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class PostgresServer(_Server):
    """PostgreSQL with a cluster of its own, which `remove` takes away. It never runs as root."""

    def __init__(self, programs: str) -> None:
        super().__init__()
        self._programs = Path(programs)
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = tempfile.mkdtemp(prefix="pg-")
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self.url = f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        data = f"{self._folder}/data"
        if not Path(data).exists():
            options = ["--username=tester", "--auth=trust", "--encoding=UTF8", "--no-sync"]
            subprocess.run(
                [str(self._programs / "initdb"), *options, "--locale=C", data],
                user=self._user,
                cwd="/",
                check=True,
                capture_output=True,
            )
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "fsync=off"]
        settings += [f"unix_socket_directories={self._folder}"]
        words = [word for setting in settings for word in ("-c", setting)]
        self._run([str(self._programs / "postgres"), "-D", data, *words], user=self._user)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
