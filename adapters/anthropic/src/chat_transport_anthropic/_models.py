"""What a model's name tells of it. Rule: pure; an unknown name gets what every model can do."""

from __future__ import annotations

__all__ = ["most_output_tokens"]

_LIMITS = (
    ("claude-3-haiku", 4_096),
    ("claude-haiku-4-5", 64_000),
    ("claude-opus-4-5", 64_000),
    ("claude-opus-4-0", 32_000),
    ("claude-opus-4-1", 32_000),
    ("claude-opus-4-2", 32_000),  # dated names of Opus 4
    ("claude-sonnet-4-5", 64_000),
    ("claude-sonnet-4-0", 64_000),
    ("claude-sonnet-4-2", 64_000),  # dated names of Sonnet 4
    ("claude-opus-", 128_000),
    ("claude-sonnet-", 128_000),
    ("claude-haiku-", 128_000),
    ("claude-fable-", 128_000),
)
"""Part of a model's name -> its limit; the first match counts (@ai-sdk/anthropic 4.0.105)."""

DEFAULT_LIMIT = 4_096
"""For names that are not Anthropic's own."""


def most_output_tokens(model: str) -> int:
    """Give the most tokens that a model writes; the API wants a bound in every request."""
    for part, limit in _LIMITS:
        if part in model:
            return limit
    return DEFAULT_LIMIT
