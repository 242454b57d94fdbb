"""Deliberate differences of Chat Completions taken away, as `_settlements` does for every API.

Rule: pure, and as strict: each needs its reason in the recording.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ._settlements import (
    OLDER,
    REASON,
    Chunk,
    Wire,
    events,
    finish,
    finishing,
    ids,
    provider,
    said,
    types,
    without,
)
from .replay import Recording

__all__ = [
    "NO_REASON",
    "detailed_reasoning",
    "every_reason",
    "executed_tools",
    "first_choice",
    "lost_content",
    "no_finish_reason",
    "reasoning_details",
    "sources",
    "unread_reasoning",
]

_SAYS_REASON = re.compile(r'"finish_reason":\s*"')


def no_finish_reason(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Say that a stream gave no reason: an error of a compatible server, else an interruption."""
    is_silent = recording.api == "openai-chat" and not any(
        map(_SAYS_REASON.search, recording.events)
    )
    if not is_silent or finish(ours) not in {"stop", "tool-calls"}:
        return ours
    if provider(recording) == "openai-compatible":
        last = next(n for n, chunk in enumerate(ours) if chunk["type"] == "finish-step")
        error = {"type": "error", "errorText": NO_REASON}
        return finishing([*ours[:last], error, *ours[last:]], "error")
    is_older = provider(recording) in OLDER and finish(golden) == "other"
    return finishing(ours, "other" if is_older else "interrupted")


NO_REASON = "Response stream ended without a finish reason."
"""What @ai-sdk/openai-compatible says of a stream without a finish reason."""


def every_reason(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Say `other` where a compatible provider's package reads fewer reasons than there are."""
    if recording.api != "openai-chat" or finish(golden) != "other":
        return ours
    words = {word for event in recording.events for word in REASON.findall(event)}
    unread = _UNREAD_REASONS.get(provider(recording), frozenset())
    return finishing(ours, "other") if words & unread else ours


_UNREAD_REASONS: Mapping[str, frozenset[str]] = {
    "deepseek": frozenset({"function_call"}),
    "mistral": frozenset({"content_filter", "function_call"}),
    "perplexity": frozenset({"content_filter", "function_call", "tool_calls"}),
}


def detailed_reasoning(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out whole parts that were told in `reasoning_details` alone."""
    if not said(recording, "reasoning_details") or "reasoning-start" in types(golden):
        return ours
    return without(ours, lambda chunk: chunk["type"].startswith("reasoning-"))


def unread_reasoning(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out reasoning where the provider's package reads no field of it."""
    told = any(said(recording, words) for words in ('"reasoning_content":', '"reasoning":'))
    if not told or provider(recording) not in _THOUGHTLESS or ids(golden, "reasoning-start"):
        return ours
    return without(ours, lambda chunk: chunk["type"].startswith("reasoning-"))


_THOUGHTLESS = frozenset({"azure", "mistral", "openai", "perplexity"})


def reasoning_details(_recording: Recording, ours: Wire, _golden: Wire) -> Wire:
    """Leave out what is kept for the next request."""

    def bare(chunk: Chunk) -> Chunk:
        metadata = chunk.get("providerMetadata", {})
        if chunk["type"] == "reasoning-end" and any(
            list(fields) == ["reasoning_details"] for fields in metadata.values()
        ):
            return {key: value for key, value in chunk.items() if key != "providerMetadata"}
        return chunk

    return [bare(chunk) for chunk in ours]


def executed_tools(recording: Recording, ours: Wire, _golden: Wire) -> Wire:
    """Leave out the tools that the server ran."""
    if not said(recording, "executed_tools"):
        return ours

    def void(chunk: Chunk) -> bool:
        return "toolCallId" in chunk and bool(chunk.get("providerExecuted"))

    return without(ours, void)


def sources(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out what a compatible server cites."""
    if recording.api != "openai-chat" or not (
        said(recording, "url_citation") or said(recording, "citations")
    ):
        return ours
    if "source-url" in types(golden):
        return ours
    return without(ours, lambda chunk: chunk["type"] == "source-url")


def first_choice(recording: Recording, ours: Wire, _golden: Wire) -> Wire:
    """Say the words of all choices, as they came: in one part."""
    choices = [
        event["choices"][0]
        for event in (events(recording) if recording.api == "openai-chat" else ())
        if event.get("choices")
    ]
    if not any(choice.get("index") for choice in choices):
        return ours
    words = [(choice.get("delta") or {}).get("content") for choice in choices]
    start = next((n for n, one in enumerate(ours) if one["type"] == "text-start"), None)
    if start is None:
        return ours
    mixed = [
        {"type": "text-delta", "id": ours[start]["id"], "delta": word} for word in words if word
    ]
    rest = without(ours[start + 1 :], lambda chunk: chunk["type"] == "text-delta")
    return [*ours[: start + 1], *mixed, *rest]


_LOST: Mapping[str, frozenset[str]] = {
    '"audio":{': frozenset({"text-start", "text-delta", "text-end", "file", "custom"}),
    '"function_call":{': frozenset(
        {"tool-input-start", "tool-input-delta", "tool-input-available", "tool-input-error"}
    ),
}
"""Field of a delta that the AI SDK does not read -> what we make of it."""


def lost_content(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out speech and older function calls."""
    for words, lost in _LOST.items():
        if said(recording, words) and not lost & types(golden):
            ours = [chunk for chunk in ours if chunk["type"] not in lost]
    return ours
