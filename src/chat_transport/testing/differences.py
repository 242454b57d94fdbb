"""Where our adapters differ from the AI SDK 7.0.173 on purpose: the one list, with reasons.

Rule: a difference is a pure function on two lists of chunks in wire form; it may only take away
what its reason names. A recording that is equal only after some of these is a listed difference.
Each is asked for by a paragraph of the adapters' specification; whatever is not, equals the AI SDK.
All but `closes-open-parts` and `own-words-for-broken-input` are gone with an adapter's
`compat="ai-sdk"`: the runner replays such a recording with it and counts it as "equal with option".
By default an adapter keeps to the reasons here. A part is closed with the option too: a stream that
breaks the grammar is not on offer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .replay import Recording

__all__ = ["DIFFERENCES", "Difference"]

JSON: TypeAlias = Any  # any JSON value
Wire: TypeAlias = list[dict[str, JSON]]
Settle: TypeAlias = Callable[[Recording, Wire, Wire], tuple[Wire, Wire]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One deliberate difference.

    Attributes:
        name: Shown for each recording that it settles.
        reason: Why we differ.
        paragraph: Of the adapters' specification (`providers.md`) that asks for it.
        settle: Take the difference away from ours and the golden chunks.
    """

    name: str
    reason: str
    paragraph: str
    settle: Settle


_REASON = re.compile(r'"finish_reason":\s*"')


def _types(chunks: Wire) -> set[str]:
    return {chunk["type"] for chunk in chunks}


def _ids(chunks: Wire, *types: str) -> set[str]:
    return {
        chunk.get("id") or chunk.get("toolCallId") or ""
        for chunk in chunks
        if chunk["type"] in types
    }


def _without(chunks: Wire, void: Callable[[dict[str, JSON]], bool]) -> Wire:
    return [chunk for chunk in chunks if not void(chunk)]


def _said(recording: Recording, words: str) -> bool:
    return any(words in event for event in recording.events)


def _closings(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    answered = _ids(golden, "tool-input-available", "tool-input-error")
    left_open = {
        "text-end": _ids(golden, "text-start") - _ids(golden, "text-end"),
        "reasoning-end": _ids(golden, "reasoning-start") - _ids(golden, "reasoning-end"),
        "tool-input-error": _ids(golden, "tool-input-start") - answered,
    }

    def void(chunk: dict[str, JSON]) -> bool:
        part_id = chunk.get("id") or chunk.get("toolCallId")
        return part_id in left_open.get(chunk["type"], ())

    return _without(ours, void), golden


def _reasoning_text(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    return _reasoning(recording, ours, golden, "reasoning_text.delta")


def _detailed_reasoning(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    return _reasoning(recording, ours, golden, "reasoning_details")


def _reasoning(recording: Recording, ours: Wire, golden: Wire, words: str) -> tuple[Wire, Wire]:
    if not _said(recording, words):
        return ours, golden
    parts = _ids(golden, "reasoning-start")
    told = _ids(golden, "reasoning-delta")

    def void(chunk: dict[str, JSON]) -> bool:
        if not chunk["type"].startswith("reasoning-"):
            return False
        return chunk["id"] not in parts or (
            chunk["type"] == "reasoning-delta" and chunk["id"] not in told
        )

    return _without(ours, void), golden


def _reasoning_details(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    def bare(chunk: dict[str, JSON]) -> dict[str, JSON]:
        metadata = chunk.get("providerMetadata", {})
        if chunk["type"] == "reasoning-end" and any(
            "reasoning_details" in m for m in metadata.values()
        ):
            return {key: value for key, value in chunk.items() if key != "providerMetadata"}
        return chunk

    return [bare(chunk) for chunk in ours], golden


NO_REASON = "Response stream ended without a finish reason."


def _no_finish_reason(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if recording.api != "openai-chat" or any(map(_REASON.search, recording.events)):
        return ours, golden
    reasons = {chunk.get("finishReason") for chunk in ours if chunk["type"] == "finish"}
    if not reasons & {"stop", "tool-calls"}:
        return ours, golden

    def void(chunk: dict[str, JSON]) -> bool:
        return chunk["type"] == "finish" or chunk.get("errorText") == NO_REASON

    return _without(ours, void), _without(golden, void)


def _finish(chunks: Wire) -> str | None:
    return next((one.get("finishReason") for one in chunks if one["type"] == "finish"), None)


def _settle_finish(ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    ends = {"finish"}
    return _without(ours, lambda c: c["type"] in ends), _without(
        golden, lambda c: c["type"] in ends
    )


def _interrupted(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if (_finish(ours), _finish(golden)) != ("interrupted", "other"):
        return ours, golden
    return _settle_finish(ours, golden)


def _error_reason(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if _finish(ours) != "error" or "error" not in _types(ours) & _types(golden):
        return ours, golden
    return _settle_finish(ours, golden)


def _more_reasons(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    mapped = _finish(ours) in {"content-filter", "error"} and _finish(golden) == "other"
    if recording.api != "gemini" or not mapped:
        return ours, golden
    return _settle_finish(ours, golden)


def _broken_input(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    def bare(chunk: dict[str, JSON]) -> dict[str, JSON]:
        is_broken = chunk["type"] == "tool-input-error"
        return {k: v for k, v in chunk.items() if not (is_broken and k == "errorText")}

    return [bare(chunk) for chunk in ours], [bare(chunk) for chunk in golden]


def _images(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if not (_said(recording, "image_generation_call") or _said(recording, "data:image/")):
        return ours, golden

    def bare(chunk: dict[str, JSON]) -> dict[str, JSON]:
        return {key: value for key, value in chunk.items() if key != "preliminary"}

    kept = ours if "file" in _types(golden) else _without(ours, lambda c: c["type"] == "file")
    return [bare(chunk) for chunk in kept], golden


def _failed_mcp(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    def outcome(chunk: dict[str, JSON]) -> dict[str, JSON]:
        output = chunk.get("output")
        if isinstance(output, dict) and output.get("type") == "call" and "error" in output:
            return {"type": "tool-output-error", "toolCallId": chunk["toolCallId"]}
        if chunk["type"] == "tool-output-error":
            return {"type": "tool-output-error", "toolCallId": chunk["toolCallId"]}
        return chunk

    return [outcome(chunk) for chunk in ours], [outcome(chunk) for chunk in golden]


def _executed_tools(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if not _said(recording, "executed_tools"):
        return ours, golden
    return _without(ours, lambda chunk: "toolCallId" in chunk), golden


def _sources(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if not (_said(recording, "url_citation") or _said(recording, "citations")):
        return ours, golden
    if "source-url" in _types(golden):
        return ours, golden
    return _without(ours, lambda chunk: chunk["type"] == "source-url"), golden


def _first_choice(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if recording.api != "openai-chat" or not (
        _said(recording, '"index":1,') or _said(recording, '"index": 1,')
    ):
        return ours, golden
    text = {"text-delta"}
    return _without(ours, lambda c: c["type"] in text), _without(
        golden, lambda c: c["type"] in text
    )


def _lost_content(recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if not (_said(recording, '"function_call":{') or _said(recording, '"audio":{')):
        return ours, golden
    if _types(golden) - {"start-step", "finish-step", "finish"}:
        return ours, golden
    return [chunk for chunk in ours if chunk["type"] in _types(golden)], golden


def _unknown_fields(_recording: Recording, ours: Wire, golden: Wire) -> tuple[Wire, Wire]:
    if len(ours) != len(golden):
        return ours, golden
    pairs = zip(ours, golden, strict=True)
    return [_shared(mine, theirs) for mine, theirs in pairs], golden


def _shared(mine: JSON, theirs: JSON) -> JSON:
    """Leave out of our output what theirs does not name."""
    if not (isinstance(mine, dict) and isinstance(theirs, dict)):
        return mine
    if mine.get("type") == "tool-output-available":
        return mine | {"output": _pruned(mine.get("output"), theirs.get("output"))}
    return mine


def _pruned(mine: JSON, theirs: JSON) -> JSON:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return {key: _pruned(value, theirs[key]) for key, value in mine.items() if key in theirs}
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return [_pruned(one, other) for one, other in zip(mine, theirs, strict=True)]
    return mine


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        name="own-words-for-broken-input",
        paragraph="2.6",
        reason="input that is not JSON is said to be so in our words; the AI SDK gives those of "
        "JavaScript's parser",
        settle=_broken_input,
    ),
    Difference(
        name="closes-open-parts",
        paragraph="17.1",
        reason="a part that is open when the stream breaks is ended; the AI SDK leaves it open, "
        "and a client shows it as streaming for ever",
        settle=_closings,
    ),
    Difference(
        name="shows-reasoning-text",
        paragraph="17.2",
        reason="reasoning that open-weight models show (`reasoning_text`) is streamed; the AI "
        "SDK's package for OpenAI drops it",
        settle=_reasoning_text,
    ),
    Difference(
        name="shows-reasoning-details",
        paragraph="4 reasoning_details",
        reason="reasoning that is told in `reasoning_details` alone is streamed; the AI SDK's "
        "compatible package drops it",
        settle=_detailed_reasoning,
    ),
    Difference(
        name="keeps-reasoning-details",
        paragraph="4 reasoning_details",
        reason="`reasoning_details` with signatures and encrypted parts are kept for the next "
        "request; the AI SDK's compatible package drops them",
        settle=_reasoning_details,
    ),
    Difference(
        name="ends-without-reason",
        paragraph="4 finish_reason",
        reason="a stream that says `[DONE]` but no finish reason (Snowflake) is complete; the AI "
        "SDK's compatible package makes it an error, its others leave the reason open",
        settle=_no_finish_reason,
    ),
    Difference(
        name="says-interrupted",
        paragraph="2.3",
        reason="a stream that ends without its terminal event is `interrupted` for every provider; "
        "older packages of the AI SDK say `other`",
        settle=_interrupted,
    ),
    Difference(
        name="errors-are-the-reason",
        paragraph="2.1",
        reason="a reply that had an error finishes with `error`, whatever the provider says after "
        "it; the AI SDK takes the last word",
        settle=_error_reason,
    ),
    Difference(
        name="maps-more-reasons",
        paragraph="17.11",
        reason="Gemini's newer finish reasons (`LANGUAGE`, `UNEXPECTED_TOOL_CALL`, ...) are told "
        "as what they are; the AI SDK says `other`",
        settle=_more_reasons,
    ),
    Difference(
        name="images-are-files",
        paragraph="17.5",
        reason="an image that a tool made is also a `file`, and partial images are marked "
        "preliminary as the protocol says; the AI SDK gives the tool's output alone, unmarked",
        settle=_images,
    ),
    Difference(
        name="failed-mcp-calls-fail",
        paragraph="17.4",
        reason="a call of an MCP server that failed is `tool-output-error`; the AI SDK gives it as "
        "an output",
        settle=_failed_mcp,
    ),
    Difference(
        name="shows-executed-tools",
        paragraph="4 executed_tools",
        reason="tools that Groq's compound models have run are shown; the AI SDK drops them",
        settle=_executed_tools,
    ),
    Difference(
        name="shows-sources",
        paragraph="4 annotations",
        reason="pages that a compatible server cites are sources; the AI SDK drops them",
        settle=_sources,
    ),
    Difference(
        name="first-choice-only",
        paragraph="4 choices",
        reason="of several choices only the first is read; the AI SDK mixes the words of all",
        settle=_first_choice,
    ),
    Difference(
        name="keeps-audio-and-functions",
        paragraph="17.3",
        reason="speech and the older `function_call` are given; the AI SDK loses them",
        settle=_lost_content,
    ),
    Difference(
        name="keeps-unknown-fields",
        paragraph="5 code execution results",
        reason="a provider's tool output keeps fields that the AI SDK's schema does not know yet",
        settle=_unknown_fields,
    ),
)
