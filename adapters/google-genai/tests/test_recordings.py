"""Recorded streams: whole through the real SDK, and cut after every event."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_transport_google_genai._recipes import recipe

from chat_transport.testing.fixtures import check_fixtures, cut_faults, load_recordings
from chat_transport.testing.replay import Recipe

RECIPES: dict[str, Recipe] = {"gemini": recipe()}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# google-genai uses aiohttp where it is installed, and still inherits from its session.
@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
@pytest.mark.anyio
@pytest.mark.parametrize("api", RECIPES)
async def test_recordings_give_what_the_ai_sdk_gives(shared_folder: Path, api: str):
    lines: list[str] = []
    fixtures = shared_folder / "fixtures"
    _, failed = await check_fixtures(
        fixtures / api, fixtures / "_golden" / "ai-7.0.173", write=lines.append, recipes=RECIPES
    )
    assert failed == 0, "\n".join(lines)
    assert len(lines) > 1


@pytest.mark.parametrize("api", RECIPES)
def test_recordings_cut_after_every_event_obey_the_grammar(shared_folder: Path, api: str):
    recordings = list(load_recordings(shared_folder / "fixtures" / api))
    assert recordings
    faults = [fault for one in recordings for fault in cut_faults(RECIPES[api], one)]
    assert faults == []
