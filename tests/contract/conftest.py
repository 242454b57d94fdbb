"""Servers that stores are kept in."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("servers", Path(__file__).parents[1] / "servers.py")
assert _spec is not None
assert _spec.loader is not None
servers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(servers)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    program = servers.find_redis()
    if program is None:
        pytest.skip("redis-server is neither installed nor installable (apt-get as root) here")
    server = servers.RedisServer(program)
    server.start()
    yield server.url
    server.kill()
