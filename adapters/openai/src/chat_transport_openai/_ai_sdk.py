"""`compat="ai-sdk"`: the chunks that the AI SDK's packages give, where we differ on purpose.

Rule: pure. Parts that are open when a stream breaks are closed here too: the grammar comes first.
Source: AI SDK 7.0.173 (@ai-sdk/openai, openai-compatible, open-responses, xai), by its chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from chat_transport.chunks import (
    ABSENT,
    File,
    SourceUrl,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)

from ._chat_events import ChatDecoder
from ._open_responses import OpenResponsesDecoder
from ._responses_events import ResponsesDecoder
from ._responses_outputs import mcp_output
from ._xai_responses import XaiResponsesDecoder

__all__ = ["AiSdkChatDecoder", "AiSdkResponsesDecoder", "responses_decoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_OWN = frozenset({"openai", "azure"})
_DIALECTS: dict[str, type[ResponsesDecoder]] = {
    "azure": ResponsesDecoder,
    "openai": ResponsesDecoder,
    "xai": XaiResponsesDecoder,
}
_CITING = frozenset({"perplexity", "xai"})
"""Compatible providers whose package gives sources."""
_LENIENT = frozenset({"deepseek", "groq", "mistral", "perplexity", "xai"})
"""Compatible providers whose package asks for no finish reason."""
_CAREFUL = frozenset({"groq", "mistral", "openai"})
"""Providers whose package says so where a stream breaks."""
_UNREAD = frozenset({"audio", "executed_tools", "function_call", "images", "reasoning_details"})
"""Fields of a delta that the AI SDK does not read."""
_REASONING = frozenset({"reasoning", "reasoning_content"})
_THOUGHTLESS = frozenset({"azure", "mistral", "openai", "perplexity"})
"""Providers whose package does not read these fields."""
_UNKNOWN_REASONS: Mapping[str, frozenset[str]] = {
    "deepseek": frozenset({"function_call"}),
    "mistral": frozenset({"content_filter", "function_call"}),
    "perplexity": frozenset({"content_filter", "function_call", "tool_calls"}),
}
"""Provider -> finish reasons that its package calls `other`."""


class AiSdkChatDecoder(ChatDecoder):
    """Chat Completions as @ai-sdk/openai and, for other providers, openai-compatible read it.

    The first choice of a frame is read whatever its index; speech, `function_call`,
    `executed_tools` and `reasoning_details` are not. For a compatible server a stream without a
    finish reason is an error, unless its package asks for none; pages that it cites are no sources.
    """

    def decode(self, event: JSON) -> Chunks:
        """Say what one frame means."""
        if event.get("choices"):
            first = event["choices"][0]
            unread = _UNREAD | (_REASONING if self._provider in _THOUGHTLESS else set())
            read = {k: v for k, v in (first.get("delta") or {}).items() if k not in unread}
            event = event | {"choices": [first | {"index": 0, "delta": read}]}
        chunks = super().decode(event)
        if self._provider in _OWN | _CITING:
            return chunks
        return [chunk for chunk in chunks if not isinstance(chunk, SourceUrl)]

    def flush(self) -> Chunks:
        """Close the blocks and calls; a compatible server must have said why it stopped."""
        chunks = super().flush()
        if self.raw_finish_reason in _UNKNOWN_REASONS.get(self._provider, ()):
            self.finish_reason = "other"
        if self.failed or self.raw_finish_reason is not None:
            return chunks
        if self._provider in _OWN | _LENIENT:
            self.finish_reason = "interrupted" if self._provider in _CAREFUL else "other"
            return chunks
        return [*chunks, *self.fail("Response stream ended without a finish reason.")]


class _NoExtras(ResponsesDecoder):
    """Images stay inside the tool's output, partial ones are not marked; no MCP call fails."""

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        item = event.get("item") or {}
        return [
            _plain(chunk, item) for chunk in super().decode(event) if not isinstance(chunk, File)
        ]


class AiSdkResponsesDecoder(_NoExtras):
    """The Responses API as @ai-sdk/openai reads it: reasoning text is not shown."""

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        if event.get("type") == "response.reasoning_text.delta":
            return []
        return super().decode(event)


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


class _AiSdkOpenResponsesDecoder(_NoExtras, OpenResponsesDecoder):
    """A compatible server as @ai-sdk/open-responses reads it: a call is told when it is whole."""

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        void = ToolInputStart | ToolInputDelta
        return [chunk for chunk in super().decode(event) if not isinstance(chunk, void)]


class _AiSdkXaiDecoder(_NoExtras, XaiResponsesDecoder):
    """xAI's Responses API as @ai-sdk/xai reads it."""


_AI_SDK: dict[type[ResponsesDecoder], type[ResponsesDecoder]] = {
    ResponsesDecoder: AiSdkResponsesDecoder,
    OpenResponsesDecoder: _AiSdkOpenResponsesDecoder,
    XaiResponsesDecoder: _AiSdkXaiDecoder,
}


def responses_decoder(provider: str, *, compat: bool = False) -> type[ResponsesDecoder]:
    """Give the decoder for a provider's dialect of the Responses API.

    Args:
        provider: As in `providerMetadata`; one that is not known speaks as an open server.
        compat: Without what we show more than the AI SDK's package for this provider.
    """
    kind = _DIALECTS.get(provider, OpenResponsesDecoder)
    return _AI_SDK[kind] if compat else kind
