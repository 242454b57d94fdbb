"""Recorded streams: whole through the real SDK, and cut after every event."""

from __future__ import annotations

from typing import ClassVar

from chat_transport_openai import OpenAIResponses
from chat_transport_openai._recipes import chat_recipe, responses_recipe

from chat_transport.step import StepDecoder
from chat_transport.testing.recordings import RecordingSuite, SourceSuite


class TestResponses(RecordingSuite):
    recipes: ClassVar = {"openai-responses": responses_recipe()}


class TestChat(RecordingSuite):
    recipes: ClassVar = {"openai-chat": chat_recipe()}


class TestSources(SourceSuite):
    api = "openai-responses"
    names = (
        "pai-openai_include_raw_annotations_streaming.2",
        "pai-openai_responses_model_file_search_tool_stream",
        "vercel-openai-code-interpreter-tool.1",
        "vercel-openai-web-search-tool.1",
    )

    def decoder(self) -> StepDecoder:
        return OpenAIResponses("m", sources="parts").decoder()
