"""The processes of the HTTP benchmarks: each server in an environment of its own, on one core.

Rule: a peer that cannot be installed is absent, with the reason; its numbers are never made up.
Peers are needed here only: uv installs each into an environment of its own, below ours.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Absent", "Server", "pin_client", "running", "serving"]

CACHE = Path(sys.prefix) / "peers"
SERVER_NEEDS = ["uvicorn==0.54.0", "uvloop", "httptools"]
PEERS: dict[str, tuple[str, list[str]]] = {
    "fastapi_ai_sdk": ("", ["fastapi-ai-sdk==0.1.0"]),
    "assistant_stream": ("", ["assistant-stream==0.0.36"]),
    "vercel_ai": ("3.12", ["ai==0.8.0", "starlette"]),
}
"""App -> the Python it needs (empty: ours) and what is installed for it. Others run in ours."""
SERVER_CORE, CLIENT_CORE = 0, 1
START_TIMEOUT_S = 30.0


class Absent(Exception):  # an outcome, not an error
    """A peer that cannot run here; says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under way."""

    name: str
    port: int
    pid: int
    version: str
    """The Python that runs it."""


def pin_client() -> None:
    """Keep this process off the servers' core, where there is more than one; allow many sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[CLIENT_CORE]})


@contextmanager
def serving(
    names: Sequence[str], environment: dict[str, str] | None = None
) -> Iterator[dict[str, Server | Absent]]:
    """Start a server for each name, all on one core; those that cannot run are absent."""
    with ExitStack() as stack:
        found: dict[str, Server | Absent] = {}
        for name in names:
            try:
                python = _interpreter(name)
            except Absent as absent:
                found[name] = absent
                continue
            found[name] = stack.enter_context(running(name, environment, python=python))
        yield found


@contextmanager
def running(
    name: str, environment: dict[str, str] | None = None, *, python: str = sys.executable
) -> Iterator[Server]:
    """Run one server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [
        python, "-m", "uvicorn", "http_apps:make", "--factory", "--port", str(port),
        "--log-level", "error", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
        "--backlog", "4096", "--timeout-graceful-shutdown", "1",
    ]  # fmt: skip
    environment = {**os.environ, **(environment or {}), "BENCH_APP": name}
    with subprocess.Popen(command, cwd=Path(__file__).parent, env=environment) as process:
        try:
            cores = sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1)))
            os.sched_setaffinity(process.pid, {cores[SERVER_CORE]})
            _until_open(process, port, name)
            yield Server(name, port, process.pid, _version(python))
        finally:
            process.kill()


def _until_open(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a server says by nothing but its port that it is up
    raise RuntimeError(f"the server {name!r} did not start")


def _interpreter(name: str) -> str:
    """Give the Python that has what `name` needs, installing it once.

    Raises:
        Absent: If it cannot be had here.
    """
    if name not in PEERS:
        return sys.executable
    wanted, needs = PEERS[name]
    folder = CACHE / "-".join(["http", name, *(need.partition("==")[2] for need in needs[:1])])
    python = folder / "bin" / "python"
    if (folder / ".ready").exists():
        return str(python)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is None:
        raise Absent("uv is not installed")
    base = _python(wanted) if wanted else sys.executable
    _run([uv, "venv", "--quiet", "--clear", "--python", base, str(folder)])
    _run([uv, "pip", "install", "--quiet", "--python", str(python), *needs, *SERVER_NEEDS])
    (folder / ".ready").touch()
    return str(python)


def _python(wanted: str) -> str:
    """Find a Python of this version: on the path, among pyenv's, or let uv find or fetch one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        shutil.which(f"python{wanted}"),
        *map(str, sorted(pyenv.glob(f"{wanted}.*/bin/python"))),
    ]
    for candidate in filter(None, candidates):
        works = subprocess.run(
            [candidate, "--version"], capture_output=True, text=True, check=False
        )
        if works.returncode == 0 and f" {wanted}." in works.stdout:
            return candidate
    return wanted


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Absent(lines[0] if lines else f"{command[1]} failed")


def _version(python: str) -> str:
    code = "import platform; print(platform.python_version())"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
