"""Anthropic's counts in common words. Rule: pure; input counts exclude what a cache gave."""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.step import Usage

__all__ = ["merged_usage", "to_usage"]

JSON: TypeAlias = Any  # any JSON value


def merged_usage(before: dict[str, JSON], later: dict[str, JSON]) -> dict[str, JSON]:
    """Take over later counts, which are cumulative; a later null says nothing."""
    return before | {name: value for name, value in later.items() if value is not None}


def to_usage(usage: dict[str, JSON]) -> Usage:
    """Give totals; when the context was compacted, over all passes of the model itself."""
    entering, leaving = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    passes = usage.get("iterations") or []
    own = [one for one in passes if one.get("type") in {"compaction", "message"}]
    if own and not any(one.get("type") == "fallback_message" for one in passes):
        entering = sum(one.get("input_tokens") or 0 for one in own)
        leaving = sum(one.get("output_tokens") or 0 for one in own)
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return Usage(
        input_tokens=entering + read + written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=leaving,
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        raw=usage,
    )
