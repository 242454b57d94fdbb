"""What servers of Chat Completions do differently, as the AI SDK's package for each says it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from chat_transport_openai import OpenAIChat

THINKS, WORD = {"reasoning_content": "hm"}, {"content": "a"}


def said(provider: str, *deltas: dict[str, Any], reason: str = "stop", **options: Any) -> list[Any]:
    """Give the chunks of a reply, by type and by what they say."""
    decoder = OpenAIChat("m", provider=provider, **options).decoder()
    frames = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks = [chunk for frame in frames for chunk in decoder.feed(frame)]
    decoder.done()
    wire = [msgspec.to_builtins(chunk) for chunk in [*chunks, *decoder.end()]]
    return [chunk.get("finishReason") or chunk["type"] for chunk in wire[1:]]


@pytest.mark.parametrize("provider", ["groq", "deepseek", "xai"])
def test_reasoning_after_text_does_not_end_the_text(provider: str):
    thought = {"reasoning_content": "so"}
    chunks = said(provider, THINKS, WORD, thought, WORD)
    assert chunks.count("text-start") == 1
    assert chunks.count("reasoning-start") == 2
    assert chunks[-4:-1] == ["text-delta", "text-end", "finish-step"]


def test_elsewhere_reasoning_after_text_begins_a_new_part():
    chunks = said("vllm", WORD, THINKS, WORD)
    assert chunks.count("text-start") == 2
    assert chunks[2:4] == ["text-end", "reasoning-start"]


def test_xai_says_the_text_of_a_frame_first_and_ends_it_first():
    assert said("xai", WORD | THINKS) == [
        *("text-start", "text-delta", "reasoning-start", "reasoning-delta"),
        *("text-end", "reasoning-end", "finish-step", "stop"),
    ]
    assert said("groq", WORD | THINKS)[0] == "reasoning-start"


def test_a_piece_of_reasoning_that_xai_repeats_counts_once():
    assert said("xai", THINKS, THINKS).count("reasoning-delta") == 1
    assert said("xai", THINKS, {"reasoning_content": "so"}, THINKS).count("reasoning-delta") == 3
    assert said("groq", THINKS, THINKS).count("reasoning-delta") == 2


def test_a_call_of_xai_is_told_where_it_comes():
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    told = ["tool-input-start", "tool-input-delta", "tool-input-available"]
    assert said("xai", call, WORD)[:4] == [*told, "text-start"]
    assert said("xai", call, WORD).count("tool-input-available") == 1
    assert said("vllm", call, WORD)[-3] == "tool-input-available"


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
def test_an_empty_text_is_a_part_where_nothing_is_being_thought(provider: str):
    assert said(provider, {"content": ""})[:2] == ["text-start", "text-end"]
    thinks = said(provider, THINKS | {"content": ""}, THINKS | {"content": ""}, WORD)
    assert thinks[:4] == ["reasoning-start", "reasoning-delta", "reasoning-delta", "reasoning-end"]
    assert thinks.count("text-start") == 1


def test_pages_that_come_with_an_empty_text_come_first():
    decoder = OpenAIChat("m", provider="perplexity").decoder()
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
    frame = {"citations": ["https://a.example"], "choices": [choice]}
    chunks = [*decoder.feed(frame), *decoder.end()]
    kinds = [msgspec.to_builtins(chunk)["type"] for chunk in chunks]
    assert kinds[1:4] == ["source-url", "text-start", "text-end"]


@pytest.mark.parametrize(
    ("provider", "word", "reason"),
    [
        ("mistral", "model_length", "length"),
        ("mistral", "error", "error"),
        ("deepseek", "insufficient_system_resource", "error"),
        ("vllm", "model_length", "other"),
        ("mistral", "content_filter", "content-filter"),
    ],
)
def test_a_providers_own_finish_reasons_are_known(provider: str, word: str, reason: str):
    assert said(provider, WORD, reason=word)[-1] == reason


def test_with_the_option_reasons_that_a_package_does_not_know_are_other():
    unknown = [("mistral", "content_filter"), ("deepseek", "function_call")]
    for provider, word in unknown:
        assert said(provider, WORD, reason=word)[-1] != "other"
        assert said(provider, WORD, reason=word, compat="ai-sdk")[-1] == "other"


def test_with_the_option_openais_package_reads_no_reasoning_and_none_reads_images():
    assert "reasoning-start" in said("openai", THINKS, WORD)
    assert "reasoning-start" not in said("openai", THINKS, WORD, compat="ai-sdk")
    image = {"images": [{"image_url": {"url": "data:image/png;base64,eA=="}}]}
    assert "file" in said("vllm", image)
    assert "file" not in said("vllm", image, compat="ai-sdk")
