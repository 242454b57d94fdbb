"""Where servers that speak Chat Completions differ, as the AI SDK's package for each reads them.

Rule: data; what a dialect does not name is as in OpenAI's own. An unknown provider is `COMPATIBLE`.
Source: @ai-sdk/{openai-compatible 3.0.92, deepseek 3.0.56, groq 4.0.84, mistral 4.0.87,
perplexity 4.0.49, xai 4.0.59}, by their chunks for the same frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chat_transport.chunks import FinishReason

__all__ = ["Dialect", "dialect"]

_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one provider's frames are read.

    Attributes:
        reasons: Its finish reasons; any other is `other`.
        keeps_empty_text: An empty `content` opens a text part.
        thinks_beside_text: Reasoning that comes after text does not end the text.
        text_first: Of one frame the text comes before the reasoning.
        opens_text_first: A text part begins before the reasoning ahead of it ends.
        ends_text_first: At the stream's end the text ends before the reasoning.
        repeats_thinking: A piece of reasoning may come twice in a row, and counts once.
        calls_at_once: A tool call comes whole and needs not wait for the stream's end.
    """

    reasons: Mapping[str, FinishReason] = field(default_factory=lambda: _REASONS)
    keeps_empty_text: bool = False
    thinks_beside_text: bool = False
    text_first: bool = False
    opens_text_first: bool = False
    ends_text_first: bool = False
    repeats_thinking: bool = False
    calls_at_once: bool = False


_COMPATIBLE = Dialect()
_OPENAI = Dialect(keeps_empty_text=True)
_DIALECTS: Mapping[str, Dialect] = {
    "openai": _OPENAI,
    "deepseek": Dialect(
        reasons={**_REASONS, "insufficient_system_resource": "error"},
        thinks_beside_text=True,
        opens_text_first=True,
    ),
    "groq": Dialect(thinks_beside_text=True),
    "mistral": Dialect(reasons={**_REASONS, "model_length": "length", "error": "error"}),
    "perplexity": Dialect(keeps_empty_text=True),
    "xai": Dialect(
        thinks_beside_text=True,
        text_first=True,
        ends_text_first=True,
        repeats_thinking=True,
        calls_at_once=True,
    ),
}


def dialect(provider: str) -> Dialect:
    """Give a provider's dialect."""
    return _DIALECTS.get(provider, _COMPATIBLE)
