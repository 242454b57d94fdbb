"""Recorded streams into messages and back into the next request."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_transport_anthropic import messages_body
from chat_transport_anthropic._recipes import recipe

from chat_transport.testing.fixtures import load_recordings
from chat_transport.testing.round_trip import following_request, lost_values

RECIPES = {"anthropic": recipe()}
BODIES = {"anthropic": lambda messages: messages_body(messages, model="claude-sonnet-5")[0]}
KNOWN: set[str] = set()


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
