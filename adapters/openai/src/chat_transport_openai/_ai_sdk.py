"""`compat="ai-sdk"`: the chunks that the AI SDK's packages give, where we differ on purpose.

Rule: pure. Parts that are open when a stream breaks are closed here too: the grammar comes first.
Source: AI SDK 7.0.173 (@ai-sdk/openai, openai-compatible, open-responses, xai), by its chunks.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from chat_transport.chunks import (
    ABSENT,
    File,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)

from ._chat_events import ChatDecoder
from ._responses_events import ResponsesDecoder
from ._responses_outputs import mcp_output

__all__ = ["AiSdkChatDecoder", "AiSdkResponsesDecoder", "responses_decoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_OWN = frozenset({"openai", "azure"})
_UNREAD = frozenset({"audio", "executed_tools", "function_call", "reasoning_details"})
"""Fields of a delta that the AI SDK does not read."""


class AiSdkChatDecoder(ChatDecoder):
    """Chat Completions as @ai-sdk/openai and, for other providers, openai-compatible read it.

    The first choice of a frame is read whatever its index; speech, `function_call`,
    `executed_tools` and `reasoning_details` are not. For a compatible server a stream without a
    finish reason is an error, and an error comes inside a step.
    """

    def decode(self, event: JSON) -> Chunks:
        """Say what one frame means."""
        if event.get("error"):
            if self._provider not in _OWN:
                self.begin()
        elif event.get("choices"):
            first = event["choices"][0]
            read = {k: v for k, v in (first.get("delta") or {}).items() if k not in _UNREAD}
            event = event | {"choices": [first | {"index": 0, "delta": read}]}
        return super().decode(event)

    def flush(self) -> Chunks:
        """Close the blocks and calls; a compatible server must have said why it stopped."""
        chunks = super().flush()
        if self.failed or self.raw_finish_reason is not None or self._provider in _OWN:
            return chunks
        return [*chunks, *self.fail("Response stream ended without a finish reason.")]


class AiSdkResponsesDecoder(ResponsesDecoder):
    """The Responses API as @ai-sdk/openai reads it.

    Reasoning text is not shown, images stay inside the tool's output, partial ones are not marked,
    and a failed call of an MCP server is an output.
    """

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        if event.get("type") == "response.reasoning_text.delta":
            return []
        item = event.get("item") or {}
        return [
            _plain(chunk, item) for chunk in super().decode(event) if not isinstance(chunk, File)
        ]


def _plain(chunk: UIMessageChunk, item: JSON) -> UIMessageChunk:
    if isinstance(chunk, ToolOutputAvailable) and chunk.preliminary is not ABSENT:
        return msgspec.structs.replace(chunk, preliminary=ABSENT)
    if isinstance(chunk, ToolOutputError) and item.get("type") == "mcp_call":
        return ToolOutputAvailable(
            tool_call_id=chunk.tool_call_id,
            output=mcp_output(item),
            provider_executed=True,
            dynamic=chunk.dynamic,
            provider_metadata=chunk.provider_metadata,
        )
    return chunk


class _OpenResponsesDecoder(ResponsesDecoder):
    """A server that speaks the Responses API as @ai-sdk/open-responses reads it.

    Item ids come with the end of a part alone, and a call of a tool when it is whole.
    """

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        item = event.get("item") or {}
        return [
            _ended(chunk, item, self._provider)
            for chunk in super().decode(event)
            if not isinstance(chunk, ToolInputStart | ToolInputDelta)
        ]


def _ended(chunk: UIMessageChunk, item: JSON, provider: str) -> UIMessageChunk:
    if isinstance(chunk, ReasoningStart | ReasoningDelta | TextStart | TextDelta):
        return msgspec.structs.replace(chunk, provider_metadata=ABSENT)
    if isinstance(chunk, ReasoningEnd) and item.get("type") == "reasoning":
        fields = {
            "itemId": item["id"],
            "reasoningSummary": item.get("summary") or [],
            "reasoningContent": item.get("content") or [],
        }
        if item.get("encrypted_content") is not None:
            fields["reasoningEncryptedContent"] = item["encrypted_content"]
        return ReasoningEnd(id=chunk.id, provider_metadata={provider: fields})
    return chunk


class _XaiDecoder(ResponsesDecoder):
    """xAI's Responses API as @ai-sdk/xai reads it.

    Each citation is a source, as it comes and once more with the whole item; a page without a title
    is called by its address.
    """

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        kind, item = event.get("type"), event.get("item") or {}
        if kind == "response.output_text.annotation.added":
            return self._cited([event["annotation"]])
        if item.get("type") == "web_search_call":
            self.begin()
            return self._searched(item) if kind == "response.output_item.added" else []
        chunks = [_unnamed(chunk) for chunk in super().decode(event)]
        if kind == "response.output_item.done" and item.get("type") == "message":
            parts = item.get("content") or []
            cited = [one for part in parts for one in part.get("annotations") or []]
            return [*self._cited(cited), *chunks]
        return chunks

    def _cited(self, annotations: list[JSON]) -> Chunks:
        return [
            SourceUrl(
                source_id=self._items.source_id(),
                url=one["url"],
                title=one.get("title") or one["url"],
            )
            for one in annotations
            if one.get("type") == "url_citation" and one.get("url")
        ]

    def _searched(self, item: JSON) -> Chunks:
        call_id, name = item["id"], item.get("name") or "web_search"
        return [
            ToolInputStart(tool_call_id=call_id, tool_name=name),
            ToolInputDelta(tool_call_id=call_id, input_text_delta=item.get("arguments") or ""),
            ToolInputAvailable(
                tool_call_id=call_id, tool_name=name, input={}, provider_executed=True
            ),
            ToolOutputAvailable(tool_call_id=call_id, output={}, provider_executed=True),
        ]


def _unnamed(chunk: UIMessageChunk) -> UIMessageChunk:
    if isinstance(chunk, TextStart):
        return TextStart(id=chunk.id)
    return TextEnd(id=chunk.id) if isinstance(chunk, TextEnd) else chunk


def responses_decoder(provider: str) -> type[ResponsesDecoder]:
    """Give the decoder that does as the AI SDK's package for a provider."""
    if provider in _OWN:
        return AiSdkResponsesDecoder
    return _XaiDecoder if provider == "xai" else _OpenResponsesDecoder
