"""Recorded streams into messages and back into the next request."""

from __future__ import annotations

from typing import Any

import pytest
from chat_transport_google_genai import gemini_body
from chat_transport_google_genai._recipes import recipe

RECIPES = {"gemini": recipe()}
BODIES = {"gemini": lambda messages: gemini_body(messages, model="gemini-3-pro")}


@pytest.mark.parametrize("api", RECIPES)
def test_the_next_request_holds_what_the_provider_wants_again(lost_by_recording: Any, api: str):
    assert lost_by_recording(api, RECIPES[api], BODIES[api]) == {}
