"""Recorded streams into messages and back into the next request."""

from __future__ import annotations

from typing import Any

import pytest
from chat_transport_openai import chat_body, responses_body
from chat_transport_openai._recipes import chat_recipe, responses_recipe

from chat_transport.model import ModelSettings

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
def test_the_next_request_holds_what_the_provider_wants_again(lost_by_recording: Any, api: str):
    lost = lost_by_recording(api, RECIPES[api], BODIES[api])
    assert {name: values for name, values in lost.items() if name not in KNOWN} == {}
