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
    "OLDER",
    "REASON",
    "Chunk",
    "Settle",
    "Wire",
    "broken_input",
    "closings",
    "error_alone",
    "error_reason",
    "events",
    "failed_mcp",
    "finish",
    "finishing",
    "ids",
    "images",
    "interrupted",
    "more_reasons",
    "provider",
    "reasoning_text",
    "said",
    "types",
    "unknown_fields",
    "without",
]

JSON: TypeAlias = Any  # any JSON value
Chunk: TypeAlias = dict[str, JSON]
Wire: TypeAlias = list[Chunk]
Settle: TypeAlias = Callable[[Recording, Wire, Wire], Wire]

_BRACKETS: Mapping[str, tuple[str, str]] = {
    "anthropic": ("content_block_start", "content_block_stop"),
    "openai-responses": ("response.output_item.added", "response.output_item.done"),
}
"""Events that begin and end a part, where an API has them."""
OLDER = frozenset({"azure", "deepseek", "groq", "mistral", "open-responses", "perplexity", "xai"})
"""Providers whose packages said `other` for a stream that breaks until the middle of 2026."""
_UNIFIED: Mapping[str, frozenset[str]] = {
    "stop": frozenset({"stop", "STOP", "end_turn", "stop_sequence", "pause_turn", "completed"}),
    "length": frozenset({"length", "model_length", "max_tokens", "MAX_TOKENS", "incomplete"}),
    "content-filter": frozenset({"content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT"}),
    "tool-calls": frozenset({"tool_calls", "function_call", "tool_use", "completed", "STOP"}),
}
"""Finish reason -> providers' words for it."""
_PARSER = re.compile(r"Invalid input for tool |JSON parsing failed")
REASON = re.compile(r'"(?:finish_reason|finishReason|stop_reason|status)":\s*"([A-Za-z_]+)"')


def types(chunks: Wire) -> set[str]:
    return {chunk["type"] for chunk in chunks}


def ids(chunks: Wire, *types: str) -> set[str]:
    return {
        chunk.get("id") or chunk.get("toolCallId") or ""
        for chunk in chunks
        if chunk["type"] in types
    }


def without(chunks: Wire, void: Callable[[Chunk], bool]) -> Wire:
    return [chunk for chunk in chunks if not void(chunk)]


def said(recording: Recording, words: str) -> bool:
    return any(words in event for event in recording.events)


def events(recording: Recording) -> Iterator[JSON]:
    for event in recording.events:
        read = json.loads(event)
        if isinstance(read, dict):
            yield read


def provider(recording: Recording) -> str:
    return (recording.provider or "").partition(".")[0]


def finish(chunks: Wire) -> str | None:
    return next((one.get("finishReason") for one in chunks if one["type"] == "finish"), None)


def finishing(chunks: Wire, reason: str | None) -> Wire:
    """Give the chunks with another finish reason."""
    return [
        chunk | {"finishReason": reason} if chunk["type"] == "finish" else chunk for chunk in chunks
    ]


# -- streams that break


def closings(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out the ends, last before the step's own, of parts that the recording leaves open."""
    last = next((n for n, chunk in enumerate(ours) if chunk["type"] == "finish-step"), len(ours))
    first = last
    while first and _is_closing(ours[first - 1]):
        first -= 1
    answered = ids(golden, "tool-input-available", "tool-input-error")
    left_open = {
        "text-end": ids(golden, "text-start") - ids(golden, "text-end"),
        "reasoning-end": ids(golden, "reasoning-start") - ids(golden, "reasoning-end"),
        "tool-input-error": ids(golden, "tool-input-start") - answered,
    }
    if recording.api == "gemini":  # its package ends text and reasoning with the stream
        left_open["text-end"] = left_open["reasoning-end"] = set()
    void = [
        chunk
        for chunk in ours[first:last]
        if (chunk.get("id") or chunk.get("toolCallId")) in left_open[chunk["type"]]
    ]
    if not void or len(void) > _left_open(recording, ours):
        return ours
    kept = [chunk for chunk in ours[first:last] if chunk not in void]
    return [*ours[:first], *kept, *ours[last:]]


def _is_closing(chunk: Chunk) -> bool:
    if chunk["type"] == "tool-input-error":
        return True
    return chunk["type"] in {"text-end", "reasoning-end"} and len(chunk) == len(("type", "id"))


def _left_open(recording: Recording, ours: Wire) -> int:
    """Count the parts that a recording begins and does not end."""
    if recording.api == "openai-chat":  # its packages end what is open with the stream
        return 0
    if recording.api == "gemini":
        return sum("willContinue" in event for event in recording.events)
    if recording.api in _BRACKETS:
        counts = Counter(event.get("type") for event in events(recording))
        begin, end = _BRACKETS[recording.api]
        return counts[begin] - counts[end]
    return len(ours) if finish(ours) in {"error", "interrupted"} else 0


def interrupted(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Say `other` where an older package does, and Anthropic's that there was no output."""
    if finish(ours) == "interrupted" and golden and golden[-1].get("errorText") == NO_OUTPUT:
        kept = without(ours, lambda chunk: chunk["type"] in {"finish-step", "finish"})
        return [*([] if len(kept) == 1 else kept), golden[-1]]
    if (finish(ours), finish(golden)) != ("interrupted", "other"):
        return ours
    return finishing(ours, "other") if provider(recording) in OLDER else ours


NO_OUTPUT = "No output generated. The model stream ended without a finish chunk."
"""What `ai` says where @ai-sdk/anthropic gave no words and no end."""


def error_reason(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Say the reason that the provider gives after its error."""
    theirs = finish(golden)
    if theirs is None or theirs not in _UNIFIED:
        return ours
    if finish(ours) != "error" or "error" not in types(ours):
        return ours
    failed = [n for n, event in enumerate(recording.events) if '"error":' in event]
    later = recording.events[failed[0] + 1 :] if failed else ()
    words = {word for event in later for word in REASON.findall(event)}
    return finishing(ours, theirs) if words & _UNIFIED[theirs] else ours


def more_reasons(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Say `other` where the AI SDK does not know one of Gemini's reasons."""
    mapped = finish(ours) in {"content-filter", "error"} and finish(golden) == "other"
    if recording.api != "gemini" or not mapped:
        return ours
    words = {word for event in recording.events for word in REASON.findall(event)}
    return finishing(ours, "other") if words & _NEWER_REASONS else ours


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


def error_alone(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Put the step around an error that the provider's first event is."""
    is_first = len(ours) == 1 and ours[0]["type"] == "error" and len(golden) > 1
    if not is_first or not any('"error"' in event for event in recording.events[:1]):
        return ours
    reason = "other" if provider(recording) in OLDER and finish(golden) == "other" else "error"
    end = {"type": "finish", "finishReason": reason}
    return [{"type": "start-step"}, *ours, {"type": "finish-step"}, end]


def broken_input(_recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Take JavaScript's words for input that is no JSON, where the golden chunks have them."""
    words = {
        chunk["toolCallId"]: chunk["errorText"]
        for chunk in golden
        if chunk["type"] == "tool-input-error" and _PARSER.search(chunk.get("errorText", ""))
    }

    def translated(chunk: Chunk) -> Chunk:
        is_broken = chunk["type"] == "tool-input-error" and chunk["toolCallId"] in words
        return chunk | {"errorText": words[chunk["toolCallId"]]} if is_broken else chunk

    return [translated(chunk) for chunk in ours]


# -- reasoning


def reasoning_text(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out the words of `reasoning_text` events, and parts that hold nothing else."""
    pieces = iter(
        [
            event["delta"]
            for event in events(recording)
            if event.get("type") == "response.reasoning_text.delta"
        ]
    )
    told, parts = ids(golden, "reasoning-delta"), ids(golden, "reasoning-start")
    expected = next(pieces, None)
    kept: Wire = []
    for chunk in ours:
        is_piece = chunk["type"] == "reasoning-delta" and chunk.get("delta") == expected
        if is_piece and chunk["id"] not in told:
            expected = next(pieces, None)
            continue
        kept.append(chunk)
    if len(kept) == len(ours):
        return ours
    empty = ids(ours, "reasoning-start") - ids(kept, "reasoning-delta") - parts
    return without(kept, lambda chunk: chunk.get("id") in empty)


# -- tools, images, sources


def images(recording: Recording, ours: Wire, golden: Wire) -> Wire:
    """Leave out images as files, and that an output is preliminary."""
    if not (said(recording, "image_generation_call") or said(recording, "data:image/")):
        return ours

    def bare(chunk: Chunk) -> Chunk:
        return {key: value for key, value in chunk.items() if key != "preliminary"}

    kept = ours if "file" in types(golden) else without(ours, lambda c: c["type"] == "file")
    return [bare(chunk) for chunk in kept]


def failed_mcp(_recording: Recording, ours: Wire, _golden: Wire) -> Wire:
    """Say a failed call of an MCP server as its output."""

    def outcome(chunk: Chunk) -> Chunk:
        if chunk["type"] != "tool-output-error" or '"type":"call"' not in chunk["errorText"]:
            return chunk
        kept = {key: value for key, value in chunk.items() if key != "errorText"}
        output = json.loads(chunk["errorText"])
        return kept | {"type": "tool-output-available", "output": output}

    return [outcome(chunk) for chunk in ours]


def unknown_fields(_recording: Recording, ours: Wire, _golden: Wire) -> Wire:
    """Leave out the message of a tool's failure, which the AI SDK's schema does not know."""

    def known(chunk: Chunk) -> Chunk:
        output = chunk.get("output")
        if not (isinstance(output, dict) and "error_message" in output):
            return chunk
        kept = {key: value for key, value in output.items() if key != "error_message"}
        return chunk | {"output": kept}

    return [known(chunk) for chunk in ours]
