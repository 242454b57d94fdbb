"""Recorded streams into messages and back into the next request."""

from __future__ import annotations

from typing import Any

import pytest
from chat_transport_anthropic import messages_body
from chat_transport_anthropic._recipes import recipe

RECIPES = {"anthropic": recipe()}
BODIES = {"anthropic": lambda messages: messages_body(messages, model="claude-sonnet-5")[0]}


@pytest.mark.parametrize("api", RECIPES)
def test_the_next_request_holds_what_the_provider_wants_again(lost_by_recording: Any, api: str):
    assert lost_by_recording(api, RECIPES[api], BODIES[api]) == {}
