"""How each deliberate difference is taken away: ours is said again as the AI SDK says it.

Rule: pure. Ours is rewritten, the golden chunks stay as they are; nothing happens unless the
recording or ours shows the reason. What is not exactly what the reason names stays a difference.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from .replay import Recording

__all__ = [
    "Settle",
    "broken_input",
    "closings",
    "detailed_reasoning",
    "error_reason",
    "every_reason",
    "executed_tools",
    "failed_mcp",
    "first_choice",
    "images",
    "interrupted",
    "lost_content",
    "more_reasons",
    "no_finish_reason",
    "reasoning_details",
    "reasoning_text",
    "sources",
    "unknown_fields",
    "unread_reasoning",
]

JSON: TypeAlias = Any  # any JSON value
Chunk: TypeAlias = dict[str, JSON]
Wire: TypeAlias = list[Chunk]
Settle: TypeAlias = Callable[[Recording, Wire, Wire], tuple[Wire, Wire]]

_BRACKETS: Mapping[str, tuple[str, str]] = {
    "anthropic": ("content_block_start", "content_block_stop"),
    "openai-responses": ("response.output_item.added", "response.output_item.done"),
}
"""Events that begin and end a part, where an API has them."""
_OLDER = frozenset({"deepseek", "groq", "mistral", "perplexity", "xai"})
"""Providers whose packages said `other` for a stream that breaks until the middle of 2026."""
_UNIFIED: Mapping[str, frozenset[str]] = {
    "stop": frozenset({"stop", "STOP", "end_turn", "stop_sequence", "pause_turn", "completed"}),
    "length": frozenset({"length", "model_length", "max_tokens", "MAX_TOKENS", "incomplete"}),
    "content-filter": frozenset({"content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT"}),
    "tool-calls": frozenset({"tool_calls", "function_call", "tool_use", "completed", "STOP"}),
}
"""Finish reason -> providers' words for it."""
_PARSER = re.compile(r"Invalid input for tool |JSON parsing failed")
_SAYS_REASON = re.compile(r'"finish_reason":\s*"')
_REASON = re.compile(r'"(?:finish_reason|finishReason|stop_reason|status)":\s*"([A-Za-z_]+)"')


def _types(chunks: Wire) -> set[str]:
    return {chunk["type"] for chunk in chunks}


def _ids(chunks: Wire, *types: str) -> set[str]:
    return {
        chunk.get("id") or chunk.get("toolCallId") or ""
        for chunk in chunks
        if chunk["type"] in types
    }


def _without(chunks: Wire, void: Callable[[Chunk], bool]) -> Wire:
    return [chunk for chunk in chunks if not void(chunk)]


def _said(recording: Recording, words: str) -> bool:
    return any(words in event for event in recording.events)


def _events(recording: Recording) -> Iterator[JSON]:
    for event in recording.events:
        read = json.loads(event)
        if isinstance(read, dict):
            yield read


def _provider(recording: Recording) -> str:
    return (recording.provider or "").partition(".")[0]


def _finish(chunks: Wire) -> str | None:
    return next((one.get("finishReason") for one in chunks if one["type"] == "finish"), None)


def _finishing(chunks: Wire, reason: str | None) -> Wire:
    """Give the chunks with another finish reason."""
    return [
        chunk | {"finishReason": reason} if chunk["type"] == "finish" else chunk for chunk in chunks
    ]


# -- streams that break


def closings(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out the ends, last before the step's own, of parts that the recording leaves open."""
    last = next((n for n, chunk in enumerate(ours) if chunk["type"] == "finish-step"), len(ours))
    first = last
    while first and _is_closing(ours[first - 1]):
        first -= 1
    answered = _ids(golden, "tool-input-available", "tool-input-error")
    left_open = {
        "text-end": _ids(golden, "text-start") - _ids(golden, "text-end"),
        "reasoning-end": _ids(golden, "reasoning-start") - _ids(golden, "reasoning-end"),
        "tool-input-error": _ids(golden, "tool-input-start") - answered,
    }
    void = [
        chunk
        for chunk in ours[first:last]
        if (chunk.get("id") or chunk.get("toolCallId")) in left_open[chunk["type"]]
    ]
    if not void or len(void) > _left_open(recording, ours):
        return ours, golden
    kept = [chunk for chunk in ours[first:last] if chunk not in void]
    return [*ours[:first], *kept, *ours[last:]], golden


def _is_closing(chunk: Chunk) -> bool:
    if chunk["type"] == "tool-input-error":
        return True
    return chunk["type"] in {"text-end", "reasoning-end"} and len(chunk) == len(("type", "id"))


def _left_open(recording: Recording, ours: Wire) -> int:
    """Count the parts that a recording begins and does not end."""
    if recording.api == "openai-chat":  # its packages end what is open with the stream
        return 0
    if recording.api in _BRACKETS:
        counts = Counter(event.get("type") for event in _events(recording))
        begin, end = _BRACKETS[recording.api]
        return counts[begin] - counts[end]
    return len(ours) if _finish(ours) in {"error", "interrupted"} else 0


def interrupted(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say `other` where an older package does."""
    if (_finish(ours), _finish(golden)) != ("interrupted", "other"):
        return ours, golden
    return (_finishing(ours, "other") if _provider(recording) in _OLDER else ours), golden


def no_finish_reason(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say that a stream gave no reason: an error of a compatible server, else an interruption."""
    is_silent = recording.api == "openai-chat" and not any(
        map(_SAYS_REASON.search, recording.events)
    )
    if not is_silent or _finish(ours) not in {"stop", "tool-calls"}:
        return ours, golden
    if _provider(recording) == "openai-compatible":
        last = next(n for n, chunk in enumerate(ours) if chunk["type"] == "finish-step")
        error = {"type": "error", "errorText": NO_REASON}
        return _finishing([*ours[:last], error, *ours[last:]], "error"), golden
    is_older = _provider(recording) in _OLDER and _finish(golden) == "other"
    return _finishing(ours, "other" if is_older else "interrupted"), golden


NO_REASON = "Response stream ended without a finish reason."
"""What @ai-sdk/openai-compatible says of a stream without a finish reason."""


def error_reason(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say the reason that the provider gives after its error."""
    theirs = _finish(golden)
    if theirs is None or theirs not in _UNIFIED:
        return ours, golden
    if _finish(ours) != "error" or "error" not in _types(ours):
        return ours, golden
    failed = [n for n, event in enumerate(recording.events) if '"error":' in event]
    later = recording.events[failed[0] + 1 :] if failed else ()
    words = {word for event in later for word in _REASON.findall(event)}
    return (_finishing(ours, theirs) if words & _UNIFIED[theirs] else ours), golden


def more_reasons(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say `other` where the AI SDK does not know one of Gemini's reasons."""
    mapped = _finish(ours) in {"content-filter", "error"} and _finish(golden) == "other"
    if recording.api != "gemini" or not mapped:
        return ours, golden
    words = {word for event in recording.events for word in _REASON.findall(event)}
    return (_finishing(ours, "other") if words & _NEWER_REASONS else ours), golden


def every_reason(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say `other` where a compatible provider's package reads fewer reasons than there are."""
    if recording.api != "openai-chat" or _finish(golden) != "other":
        return ours, golden
    words = {word for event in recording.events for word in _REASON.findall(event)}
    unread = _UNREAD_REASONS.get(_provider(recording), frozenset())
    return (_finishing(ours, "other") if words & unread else ours), golden


_UNREAD_REASONS: Mapping[str, frozenset[str]] = {
    "deepseek": frozenset({"function_call"}),
    "mistral": frozenset({"content_filter", "function_call"}),
    "perplexity": frozenset({"content_filter", "function_call", "tool_calls"}),
}
_NEWER_REASONS = frozenset(
    {
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "LANGUAGE",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "MODEL_ARMOR",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)


def broken_input(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Take JavaScript's words for input that is no JSON, where the golden chunks have them."""
    words = {
        chunk["toolCallId"]: chunk["errorText"]
        for chunk in golden
        if chunk["type"] == "tool-input-error" and _PARSER.search(chunk.get("errorText", ""))
    }

    def translated(chunk: Chunk) -> Chunk:
        is_broken = chunk["type"] == "tool-input-error" and chunk["toolCallId"] in words
        return chunk | {"errorText": words[chunk["toolCallId"]]} if is_broken else chunk

    return [translated(chunk) for chunk in ours], golden


# -- reasoning


def reasoning_text(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out the words of `reasoning_text` events, and parts that hold nothing else."""
    pieces = iter(
        [
            event["delta"]
            for event in _events(recording)
            if event.get("type") == "response.reasoning_text.delta"
        ]
    )
    told, parts = _ids(golden, "reasoning-delta"), _ids(golden, "reasoning-start")
    expected = next(pieces, None)
    kept: Wire = []
    for chunk in ours:
        is_piece = chunk["type"] == "reasoning-delta" and chunk.get("delta") == expected
        if is_piece and chunk["id"] not in told:
            expected = next(pieces, None)
            continue
        kept.append(chunk)
    if len(kept) == len(ours):
        return ours, golden
    empty = _ids(ours, "reasoning-start") - _ids(kept, "reasoning-delta") - parts
    return _without(kept, lambda chunk: chunk.get("id") in empty), golden


def detailed_reasoning(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out whole parts that were told in `reasoning_details` alone."""
    if not _said(recording, "reasoning_details") or "reasoning-start" in _types(golden):
        return ours, golden
    return _without(ours, lambda chunk: chunk["type"].startswith("reasoning-")), golden


def unread_reasoning(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out reasoning where the provider's package reads no field of it."""
    told = any(_said(recording, words) for words in ('"reasoning_content":', '"reasoning":'))
    if not told or _provider(recording) not in _THOUGHTLESS or _ids(golden, "reasoning-start"):
        return ours, golden
    return _without(ours, lambda chunk: chunk["type"].startswith("reasoning-")), golden


_THOUGHTLESS = frozenset({"azure", "mistral", "openai", "perplexity"})


def reasoning_details(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out what is kept for the next request."""

    def bare(chunk: Chunk) -> Chunk:
        metadata = chunk.get("providerMetadata", {})
        if chunk["type"] == "reasoning-end" and any(
            list(fields) == ["reasoning_details"] for fields in metadata.values()
        ):
            return {key: value for key, value in chunk.items() if key != "providerMetadata"}
        return chunk

    return [bare(chunk) for chunk in ours], golden


# -- tools, images, sources


def images(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out images as files, and that an output is preliminary."""
    if not (_said(recording, "image_generation_call") or _said(recording, "data:image/")):
        return ours, golden

    def bare(chunk: Chunk) -> Chunk:
        return {key: value for key, value in chunk.items() if key != "preliminary"}

    kept = ours if "file" in _types(golden) else _without(ours, lambda c: c["type"] == "file")
    return [bare(chunk) for chunk in kept], golden


def failed_mcp(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say a failed call of an MCP server as its output."""

    def outcome(chunk: Chunk) -> Chunk:
        if chunk["type"] != "tool-output-error" or '"type":"call"' not in chunk["errorText"]:
            return chunk
        kept = {key: value for key, value in chunk.items() if key != "errorText"}
        output = json.loads(chunk["errorText"])
        return kept | {"type": "tool-output-available", "output": output}

    return [outcome(chunk) for chunk in ours], golden


def executed_tools(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out the tools that the server ran."""
    if not _said(recording, "executed_tools"):
        return ours, golden

    def void(chunk: Chunk) -> bool:
        return "toolCallId" in chunk and bool(chunk.get("providerExecuted"))

    return _without(ours, void), golden


def sources(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out what a compatible server cites."""
    if not (_said(recording, "url_citation") or _said(recording, "citations")):
        return ours, golden
    if "source-url" in _types(golden):
        return ours, golden
    return _without(ours, lambda chunk: chunk["type"] == "source-url"), golden


def unknown_fields(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out the message of a tool's failure, which the AI SDK's schema does not know."""

    def known(chunk: Chunk) -> Chunk:
        output = chunk.get("output")
        if not (isinstance(output, dict) and "error_message" in output):
            return chunk
        kept = {key: value for key, value in output.items() if key != "error_message"}
        return chunk | {"output": kept}

    return [known(chunk) for chunk in ours], golden


# -- what one package drops or mixes


def first_choice(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Say the words of all choices, as they came: in one part."""
    choices = [
        event["choices"][0]
        for event in (_events(recording) if recording.api == "openai-chat" else ())
        if event.get("choices")
    ]
    if not any(choice.get("index") for choice in choices):
        return ours, golden
    words = [(choice.get("delta") or {}).get("content") for choice in choices]
    start = next((n for n, one in enumerate(ours) if one["type"] == "text-start"), None)
    if start is None:
        return ours, golden
    mixed = [
        {"type": "text-delta", "id": ours[start]["id"], "delta": word} for word in words if word
    ]
    rest = _without(ours[start + 1 :], lambda chunk: chunk["type"] == "text-delta")
    return [*ours[: start + 1], *mixed, *rest], golden


_LOST: Mapping[str, frozenset[str]] = {
    '"audio":{': frozenset({"text-start", "text-delta", "text-end", "file", "custom"}),
    '"function_call":{': frozenset(
        {"tool-input-start", "tool-input-delta", "tool-input-available", "tool-input-error"}
    ),
}
"""Field of a delta that the AI SDK does not read -> what we make of it."""


def lost_content(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    """Leave out speech and older function calls."""
    for words, types in _LOST.items():
        if _said(recording, words) and not types & _types(golden):
            ours = [chunk for chunk in ours if chunk["type"] not in types]
    return ours, golden
