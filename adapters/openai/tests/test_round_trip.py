"""Recorded streams into messages and back into the next request."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_transport_openai import chat_body, responses_body
from chat_transport_openai._recipes import chat_recipe, responses_recipe

from chat_transport.model import ModelSettings
from chat_transport.testing.fixtures import load_recordings
from chat_transport.testing.round_trip import following_request, lost_values

RECIPES = {"openai-responses": responses_recipe(), "openai-chat": chat_recipe()}
BODIES = {
    "openai-responses": lambda messages: responses_body(
        messages,
        model="gpt-5.4",
        settings=ModelSettings(provider_options={"openai": {"store": False}}),
    ),
    "openai-chat": lambda messages: chat_body(
        messages, model="m", provider="test-provider", compatible=True
    ),
}
KNOWN = {
    # Its recorder sent the item's id as call id, which the API takes too.
    "pai-openai_responses_stream.1",
    # Its recorder names the hosted search's item as call id; we send it as the item it is.
    "pai-tool_search-openai_native_tool_search_streaming.1",
}


@pytest.mark.parametrize("api", RECIPES)
def test_the_next_request_holds_what_the_provider_wants_again(shared_folder: Path, api: str):
    fixtures = shared_folder / "fixtures"
    lost: dict[str, list[str]] = {}
    for recording in load_recordings(fixtures / api):
        recorded = following_request(fixtures, recording) or {}
        values = list(lost_values(RECIPES[api], recording, BODIES[api], recorded))
        if values and recording.name not in KNOWN:
            lost[recording.name] = values
    assert lost == {}
