"""Fixtures for every adapter's tests: the event loops, and the place of shared recordings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops; modules whose SDK knows asyncio alone override this."""
    return request.param


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Recordings that belong to others live beside the repository, never in it."""
    folder = Path(os.environ.get("CHAT_TRANSPORT_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared recordings at {folder}: set CHAT_TRANSPORT_SHARED to their folder")
    return folder
