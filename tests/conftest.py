"""Fixtures for every test: the event loops, the place of shared recordings, a Redis server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import RedisServer, find_redis

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops; modules that involve ably override this with asyncio alone."""
    return request.param


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Recordings that belong to others live beside the repository, never in it."""
    folder = Path(os.environ.get("CHAT_TRANSPORT_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared recordings at {folder}: set CHAT_TRANSPORT_SHARED to their folder")
    return folder


@pytest.fixture(scope="session")
def ui_vectors() -> Path:
    """Our compact copy of the UI vectors."""
    return ROOT / "tests" / "vectors" / "ui"


@pytest.fixture(scope="session")
def redis_program() -> str:
    """The path of redis-server, which is installed if we may."""
    program = find_redis()
    if program is None:
        pytest.skip("redis-server is neither installed nor installable (apt-get as root) here")
    return program


@pytest.fixture
def redis_server(redis_program: str) -> Iterator[RedisServer]:
    """A Redis server of the test's own, which it may kill and start again."""
    server = RedisServer(redis_program)
    server.start()
    yield server
    server.kill()
