"""Recorded streams: whole through the real SDK, and cut after every event."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chat_transport_anthropic import AnthropicMessages
from chat_transport_anthropic._recipes import recipe

from chat_transport.testing.fixtures import check_fixtures, cut_faults, load_recordings, normalised
from chat_transport.testing.replay import Recipe

RECIPES: dict[str, Recipe] = {"anthropic": recipe()}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.mark.anyio
@pytest.mark.parametrize("api", RECIPES)
async def test_with_the_option_only_broken_streams_differ(shared_folder: Path, api: str):
    fixtures = shared_folder / "fixtures"
    recipe = RECIPES[api]
    assert recipe.compat is not None
    lines: list[str] = []
    always = {api: replace(recipe, adapter=recipe.compat)}
    _, failed = await check_fixtures(
        fixtures / api, fixtures / "_golden" / "ai-7.0.173", write=lines.append, recipes=always
    )
    assert failed == 0, "\n".join(lines)
    differing = [line for line in lines if line.startswith(("listed", "equal with"))]
    assert all(line.endswith(("closes-open-parts", "never-fetches")) for line in differing)


def _sources(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in normalised(chunks) if one["type"].startswith("source-")]


@pytest.mark.parametrize(
    "name",
    [
        "pai-anthropic_model_web_search_tool_stream",
        "pai-anthropic_text_parts_ahead_of_built_in_tool_call.3",
        "pai-anthropic_web_search_tool_stream",
        "pai-pause_turn_web_search_streaming_vcr.2",
    ],
)
def test_sources_as_parts_are_those_of_the_earlier_ai_sdk(shared_folder: Path, name: str):
    folder = shared_folder / "fixtures"
    (recording,) = [one for one in load_recordings(folder / "anthropic") if one.name == name]
    adapter = AnthropicMessages("m", sources="parts")
    decoder = adapter.decoder()
    chunks = [chunk for event in recording.events for chunk in decoder.feed(json.loads(event))]
    wire = [msgspec.to_builtins(chunk) for chunk in [*chunks, *decoder.end()]]
    golden = folder / "_golden" / "ai-7.0.77" / "anthropic" / f"{name}.ui.jsonl"
    lines = golden.read_text("utf-8").splitlines()
    assert _sources(wire) == _sources([json.loads(line) for line in lines])
    assert _sources(wire)
    assert not any("citations" in chunk for chunk in wire)
