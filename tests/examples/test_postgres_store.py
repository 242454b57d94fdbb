"""The example `examples/postgres-store` keeps what the kit demands, in a real PostgreSQL."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_transport.testing.stores import chat_store_requirements

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("servers", ROOT / "tests" / "servers.py")
assert _spec is not None
assert _spec.loader is not None
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    programs = servers.find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is neither installed nor installable (apt-get as root) here")
    server = servers.PostgresServer(programs)
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@pytest.mark.timeout(300)  # the server may have to be installed
def test_it_verifies_itself(postgres_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "verify.py", postgres_url],
        cwd=ROOT / "examples" / "postgres-store",
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("ok  ") for line in done.stdout.splitlines()]
    assert said == [item.says for item in chat_store_requirements()]
