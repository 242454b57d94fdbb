"""Servers that speak the Responses API (LM Studio, vLLM, ...): where they are told otherwise.

Rule: pure. An item's id comes with the end of its part, where the next request finds it.
Source: AI SDK 7.0.173 (@ai-sdk/open-responses 2.0.36) for the chunks.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from chat_transport.chunks import (
    ABSENT,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    UIMessageChunk,
)

from ._responses_events import ResponsesDecoder

__all__ = ["OpenResponsesDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_BARE = ReasoningStart | ReasoningDelta | TextStart | TextDelta


class OpenResponsesDecoder(ResponsesDecoder):
    """A server that speaks the Responses API.

    Its reasoning is one part an item, however many summaries there are. A call whose arguments are
    not streamed is told when it is whole.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._announced: dict[str, ToolInputStart] = {}

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        kind = event.get("type")
        if kind == "response.reasoning_summary_part.added":
            return []
        if kind == "response.reasoning_summary_text.delta":
            event = event | {"summary_index": 0}
        item = event.get("item") or {}
        return [said for one in super().decode(event) for said in self._say(one, item)]

    def _say(self, chunk: UIMessageChunk, item: JSON) -> Chunks:
        if isinstance(chunk, _BARE):
            if chunk.provider_metadata is ABSENT:
                return [chunk]
            return [msgspec.structs.replace(chunk, provider_metadata=ABSENT)]
        if isinstance(chunk, ReasoningEnd) and item.get("type") == "reasoning":
            fields = _thoughts(item)
            return [ReasoningEnd(id=chunk.id, provider_metadata={self._provider: fields})]
        if isinstance(chunk, ToolInputStart) and chunk.provider_executed is ABSENT:
            self._announced[chunk.tool_call_id] = chunk
            return []
        if isinstance(chunk, ToolInputDelta):
            start = self._announced.pop(chunk.tool_call_id, None)
            return [chunk] if start is None else [start, chunk]
        if isinstance(chunk, ToolInputAvailable | ToolInputError):
            self._announced.pop(chunk.tool_call_id, None)
        return [chunk]

    def flush(self) -> Chunks:
        """Give what was held back, and the calls that never came to their arguments."""
        announced, self._announced = self._announced, {}
        return [*super().flush(), *announced.values()]


def _thoughts(item: JSON) -> dict[str, JSON]:
    content = item.get("content")
    fields = {
        "itemId": item["id"],
        "reasoningSummary": [
            {"type": "summary_text", "text": part.get("text")} for part in item.get("summary") or []
        ],
        "reasoningContent": None
        if content is None
        else [{"type": "reasoning_text", "text": part.get("text")} for part in content],
    }
    if item.get("encrypted_content") is not None:
        fields["reasoningEncryptedContent"] = item["encrypted_content"]
    return fields
