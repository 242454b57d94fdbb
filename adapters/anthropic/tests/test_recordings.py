"""Recorded streams: whole through the real SDK, and cut after every event."""

from __future__ import annotations

from typing import ClassVar

from chat_transport_anthropic import AnthropicMessages
from chat_transport_anthropic._recipes import recipe

from chat_transport.step import StepDecoder
from chat_transport.testing.recordings import RecordingSuite, SourceSuite


class TestRecordings(RecordingSuite):
    recipes: ClassVar = {"anthropic": recipe()}


class TestSources(SourceSuite):
    api = "anthropic"
    names = (
        "pai-anthropic_model_web_search_tool_stream",
        "pai-anthropic_text_parts_ahead_of_built_in_tool_call.3",
        "pai-anthropic_web_search_tool_stream",
        "pai-pause_turn_web_search_streaming_vcr.2",
    )

    def decoder(self) -> StepDecoder:
        return AnthropicMessages("m", sources="parts").decoder()
