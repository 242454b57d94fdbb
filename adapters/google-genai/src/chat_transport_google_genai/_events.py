"""Chunks of Gemini's `generateContent` stream into ours. Rule: pure; in wire form, camelCase.

Source: google-genai 3.4.0 types; AI SDK 7.0.173 (@ai-sdk/google 4.0.121) for the chunks.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    Absent,
    File,
    FinishReason,
    ProviderMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningFile,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder, Usage

from ._functions import FunctionCalls
from ._sources import grounding_sources

__all__ = ["GeminiDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    **dict.fromkeys(("MAX_TOKENS", "CONTINUATION"), "length"),
    **dict.fromkeys(
        (
            "BLOCKLIST",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_SAFETY",
            "LANGUAGE",
            "MODEL_ARMOR",
            "PROHIBITED_CONTENT",
            "RECITATION",
            "SAFETY",
            "SPII",
        ),
        "content-filter",
    ),
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "MISSING_THOUGHT_SIGNATURE",
            "TOO_MANY_TOOL_CALLS",
            "UNEXPECTED_TOOL_CALL",
        ),
        "error",
    ),
}
_KEPT = frozenset({"citationMetadata", "finishMessage", "groundingMetadata", "urlContextMetadata"})
"""What a candidate says beside its parts, kept in the message's metadata."""
_UNSPECIFIED = frozenset({"", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"})


class GeminiDecoder(StepDecoder):
    """One answer of the model as one step.

    Args:
        provider: The key in `providerMetadata`.
    """

    def __init__(self, *, provider: str = "google") -> None:
        super().__init__()
        self._provider = provider
        self._text: str | None = None
        self._reasoning: str | None = None
        self._first_text: str | None = None
        self._signed: ProviderMetadata | Absent = ABSENT
        self._made = 0
        self._blocked = False
        self._shown: set[tuple[str, ...]] = set()
        self._code_id: str | None = None
        self._server_id: str | None = None
        self._usage: JSON = None
        self._functions = FunctionCalls(self)
        self.metadata["provider"] = provider

    def decode(self, event: JSON) -> Chunks:
        """Say what one chunk means."""
        error = event.get("error")
        if error:
            if error.get("status") is not None:
                self.metadata["errorCode"] = error["status"]
            return self.fail(error.get("message") or str(error.get("status") or "unknown error"))
        self._note_head(event)
        feedback = event.get("promptFeedback") or {}
        reason = feedback.get("blockReason")
        if reason is not None and reason not in _UNSPECIFIED and not self._blocked:
            self._blocked = True
            self.finish_reason, self.raw_finish_reason = "content-filter", reason
            self.metadata["promptFeedback"] = feedback
        candidates = event.get("candidates")
        if not candidates or self._blocked:
            return []
        return self._candidate(candidates[0])

    def flush(self) -> Chunks:
        """End the calls whose arguments were streamed, then the blocks."""
        # A call whose arguments the stream's end has cut off is not one to run.
        ended = self._functions.end_all() if self.finish_reason == "stop" else []
        chunks = [*ended, *self.end_blocks()]
        if self._usage is not None:
            self.usage = _usage(self._usage)
        if self.finish_reason == "stop" and self._functions.called:
            self.finish_reason = "tool-calls"
        return chunks

    def pm(self, part: JSON, **fields: JSON) -> ProviderMetadata | Absent:
        """Give a part's signature and more fields under the provider's name."""
        signature = part.get("thoughtSignature")
        named = {"thoughtSignature": signature, **fields} if signature else fields
        return {self._provider: named} if named else ABSENT

    def new_id(self, kind: str) -> str:
        """Name a block, call or source, uniquely among the steps of a message."""
        self._made += 1
        return f"{self.metadata.get('responseId') or 'gemini'}:{kind}-{self._made}"

    def end_blocks(self) -> Chunks:
        """End the open text and reasoning."""
        return [*self._end_text(), *self._end_reasoning()]

    def _note_head(self, event: JSON) -> None:
        if event.get("responseId") and "responseId" not in self.metadata:
            self.metadata["responseId"] = event["responseId"]
        if event.get("modelVersion"):
            self.metadata["modelId"] = event["modelVersion"]
        if event.get("usageMetadata"):
            self._usage = event["usageMetadata"]

    def _candidate(self, candidate: JSON) -> Chunks:
        chunks: Chunks = [] if _KEPT.isdisjoint(candidate) else self._kept(candidate)
        for part in (candidate.get("content") or {}).get("parts") or []:
            chunks += self._part(part)
        reason = candidate.get("finishReason")
        if reason is not None and not self.failed:
            self.raw_finish_reason = reason
            self.finish_reason = _REASONS.get(reason, "other")
        return chunks

    def _kept(self, candidate: JSON) -> Chunks:
        for name in sorted(_KEPT):
            if candidate.get(name) is not None:
                self.metadata[name] = candidate[name]
        grounding = candidate.get("groundingMetadata")
        return list(grounding_sources(grounding, self._shown, lambda: self.new_id("source")))

    def _part(self, part: JSON) -> Chunks:
        if (part.get("executableCode") or {}).get("code"):
            return self._code(part["executableCode"])
        if part.get("codeExecutionResult"):
            return self._code_result(part["codeExecutionResult"])
        if part.get("text") is not None:
            return self._words(part)
        if part.get("inlineData"):
            return self._file(part)
        if part.get("toolCall"):
            return self._server_call(part)
        if part.get("toolResponse"):
            return self._server_result(part)
        if "functionCall" in part:
            return self._functions.feed(part)
        return []

    # -- words

    def _words(self, part: JSON) -> Chunks:
        text, signed = part["text"], self.pm(part)
        if not text:
            return self._signature(part, signed) if signed is not ABSENT else []
        if part.get("thought"):
            chunks: Chunks = [*self._end_text()]
            if self._reasoning is None:
                self._reasoning = self.new_id("reasoning")
                chunks.append(ReasoningStart(id=self._reasoning, provider_metadata=signed))
            delta = ReasoningDelta(id=self._reasoning, delta=text, provider_metadata=signed)
            return [*chunks, delta]
        chunks = self._end_reasoning()
        if self._text is None:
            self._text = self.new_id("text")
            chunks.append(TextStart(id=self._text, provider_metadata=signed))
        return [*chunks, self._text_delta(self._text, text, signed)]

    def _text_delta(
        self, part_id: str, text: str, signed: ProviderMetadata | Absent
    ) -> UIMessageChunk:
        # The AI SDK says the first text's signature with every later piece of it, too.
        if self._first_text is None:
            self._first_text = part_id
        if self._first_text == part_id:
            signed = self._signed = self._signed if signed is ABSENT else signed
        return TextDelta(id=part_id, delta=text, provider_metadata=signed)

    def _signature(self, part: JSON, signed: ProviderMetadata | Absent) -> Chunks:
        """Keep a signature without words in its place."""
        if self._text is not None:
            return [self._text_delta(self._text, "", signed)]
        chunks: Chunks = [*self._end_reasoning()]
        if part.get("thought"):
            block = self.new_id("reasoning")
            return [
                *chunks,
                ReasoningStart(id=block, provider_metadata=signed),
                ReasoningDelta(id=block, delta="", provider_metadata=signed),
                ReasoningEnd(id=block),
            ]
        block = self.new_id("text")
        return [
            *chunks,
            TextStart(id=block, provider_metadata=signed),
            TextDelta(id=block, delta="", provider_metadata=signed),
            TextEnd(id=block),
        ]

    def _end_text(self) -> Chunks:
        block, self._text = self._text, None
        return [] if block is None else [TextEnd(id=block)]

    def _end_reasoning(self) -> Chunks:
        block, self._reasoning = self._reasoning, None
        return [] if block is None else [ReasoningEnd(id=block)]

    def _file(self, part: JSON) -> Chunks:
        data = part["inlineData"]
        media_type = data["mimeType"]
        url = f"data:{media_type};base64,{data['data']}"
        kind = ReasoningFile if part.get("thought") else File
        file = kind(url=url, media_type=media_type, provider_metadata=self.pm(part))
        return [*self.end_blocks(), file]

    # -- tools that Google runs

    def _code(self, code: JSON) -> Chunks:
        self._code_id = self.new_id("code")
        written = {name: code[name] for name in ("language", "code") if name in code}
        return [
            ToolInputAvailable(
                tool_call_id=self._code_id,
                tool_name="code_execution",
                input=written,
                provider_executed=True,
            )
        ]

    def _code_result(self, result: JSON) -> Chunks:
        if self._code_id is None:
            return []
        output = {"outcome": result.get("outcome"), "output": result.get("output") or ""}
        return [
            ToolOutputAvailable(tool_call_id=self._code_id, output=output, provider_executed=True)
        ]

    def _server_call(self, part: JSON) -> Chunks:
        call = part["toolCall"]
        self._server_id = call_id = call.get("id") or self.new_id("server")
        kind = call.get("toolType")
        return [
            ToolInputAvailable(
                tool_call_id=call_id,
                tool_name=f"server:{kind}",
                input=call.get("args") or {},
                provider_executed=True,
                provider_metadata=self.pm(part, serverToolCallId=call_id, serverToolType=kind),
                dynamic=True,
            )
        ]

    def _server_result(self, part: JSON) -> Chunks:
        response = part["toolResponse"]
        call_id = self._server_id or response.get("id") or self.new_id("server")
        self._server_id = None
        kind = response.get("toolType")
        return [
            ToolOutputAvailable(
                tool_call_id=call_id,
                output=response.get("response") or {},
                provider_executed=True,
                provider_metadata=self.pm(part, serverToolCallId=call_id, serverToolType=kind),
            )
        ]


def _usage(usage: JSON) -> Usage:
    thoughts = usage.get("thoughtsTokenCount") or 0
    return Usage(
        input_tokens=usage.get("promptTokenCount"),
        cache_read_tokens=usage.get("cachedContentTokenCount") or 0,
        output_tokens=(usage.get("candidatesTokenCount") or 0) + thoughts,
        reasoning_tokens=thoughts,
        raw=usage,
    )
