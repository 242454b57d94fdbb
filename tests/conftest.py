"""Fixtures for every test: the event loops, and the place of shared recordings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
