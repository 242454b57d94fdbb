"""Fixtures for every adapter's tests: the event loops, and what shared recordings tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_transport.testing.fixtures import load_recordings
from chat_transport.testing.round_trip import following_request, lost_values

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


@pytest.fixture
def lost_by_recording(shared_folder: Path) -> Callable[..., dict[str, list[str]]]:
    """Gives, for the recordings of an API, what a following request of ours does not hold again."""

    def lost_in(api: str, recipe: Any, body: Callable[..., Any]) -> dict[str, list[str]]:
        fixtures = shared_folder / "fixtures"
        recordings = list(load_recordings(fixtures / api))
        assert recordings, f"no recordings of {api!r} in {fixtures}"
        lost: dict[str, list[str]] = {}
        for recording in recordings:
            recorded = following_request(fixtures, recording) or {}
            if values := list(lost_values(recipe, recording, body, recorded)):
                lost[recording.name] = values
        return lost

    return lost_in
