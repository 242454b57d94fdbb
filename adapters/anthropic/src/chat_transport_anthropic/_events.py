"""Events of Anthropic Messages into chunks: lifecycle, text, thinking; tools in `_tools`.

Rule: pure. Block ids carry the message's id, because Anthropic counts from 0 in every step.
Source: anthropic 2.11.0 event types; AI SDK 7.0.173 (@ai-sdk/anthropic 4.0.105) for the chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    Custom,
    FinishReason,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder

from ._sources import Document, citation_source, mapped_citation
from ._tools import ToolBlocks
from ._usage import merged_usage, to_usage

__all__ = ["MessagesDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "stop",
    "refusal": "content-filter",
    "stop_sequence": "stop",
    "tool_use": "tool-calls",
}


class MessagesDecoder(StepDecoder):
    """One message of the model as one step.

    Args:
        documents: The documents of the request that may be cited, in order.
        code_is_dynamic: Code execution was not declared, but a web tool of the request uses it.
        keeps_unknown: Give the fields of tool results that the AI SDK's schema does not know.
        sources: `citations` tells what a text cites at its end; `parts` tells each citation as a
            source where it is made.

    Attributes:
        paused: The model asks to be called again with what it has said (`pause_turn`).
    """

    def __init__(
        self,
        *,
        documents: Sequence[Document] = (),
        code_is_dynamic: bool = False,
        keeps_unknown: bool = True,
        sources: Literal["citations", "parts"] = "citations",
    ) -> None:
        super().__init__()
        self._cites = sources == "citations"
        self.paused = False
        self._documents = list(documents)
        self._tools = ToolBlocks(
            self,
            self._documents,
            code_is_dynamic=code_is_dynamic,
            keeps_unknown=keeps_unknown,
        )
        self._message_id: str | None = None
        self._is_open = False
        self._is_broken = False
        self._usage: dict[str, JSON] = {}
        self._kinds: dict[int, str] = {}
        self._citations: dict[int, list[JSON]] = {}
        self._web_citations: list[JSON] = []
        self._sources = 0
        self._watcher: Callable[[JSON], None] | None = None
        self.metadata["provider"] = "anthropic"

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        if self._watcher is not None:
            self._watcher(event)
        handler = self._HANDLERS.get(event.get("type"))
        return [] if handler is None or self._is_broken else handler(self, event)

    def watch(self, watcher: Callable[[JSON], None]) -> None:
        """Show every event to `watcher` first."""
        self._watcher = watcher

    def block_id(self, index: int) -> str:
        """Name a block, uniquely among the steps of a message."""
        return f"{self._message_id or 'message'}:{index}"

    def source_id(self) -> str:
        """Name the next source."""
        self._sources += 1
        return f"{self._message_id or 'message'}:source-{self._sources}"

    # -- the message

    def _message_start(self, event: JSON) -> Chunks:
        message = event["message"]
        if self._is_open:
            if self._message_id == message.get("id"):
                return []
            self._is_broken = True
            return self.fail(
                f'Received message_start for message "{message.get("id")}" while message '
                f'"{self._message_id}" is still open.'
            )
        self._is_open = True
        if not self.failed:  # of a message before, which has ended
            self.finish_reason, self.raw_finish_reason = "interrupted", None
        self._message_id = message.get("id")
        self._usage = dict(message.get("usage") or {})
        self.metadata["responseId"] = message.get("id")
        self.metadata["modelId"] = message.get("model")
        self._note_stop(message.get("stop_reason"))
        fields = {
            "id": message.get("id"),
            "model": message.get("model"),
            "usage": dict(self._usage),
        }
        start = Custom(kind="anthropic.message_start", provider_metadata={"anthropic": fields})
        chunks: Chunks = [start]
        for block in message.get("content") or []:
            if block.get("type") == "tool_use":  # a program of the model calls a tool
                chunks += self._tools.whole(block)
        return chunks

    def _message_delta(self, event: JSON) -> Chunks:
        delta = event.get("delta") or {}
        self._usage = merged_usage(self._usage, event.get("usage") or {})
        self._note_stop(delta.get("stop_reason"))
        for name, key in (
            ("stop_sequence", "stopSequence"),
            ("stop_details", "stopDetails"),
            ("container", "container"),
        ):
            if delta.get(name) is not None:
                self.metadata[key] = delta[name]
        if event.get("context_management") is not None:
            self.metadata["contextManagement"] = event["context_management"]
        return []

    def _note_stop(self, reason: str | None) -> None:
        if reason is not None:
            self.raw_finish_reason = reason

    def _message_stop(self, event: JSON) -> Chunks:
        self._is_open = False
        if not self.failed:
            reason = self.raw_finish_reason
            self.finish_reason = _REASONS.get(reason or "", "other")
            self.paused = reason == "pause_turn"
        chunks: Chunks = []
        if not self._tools.has_web_results:
            chunks = self._sources_of(self._web_citations)
        self._web_citations = []
        return chunks

    def _error(self, event: JSON) -> Chunks:
        error = event.get("error") or {}
        self.metadata["errorCode"] = error.get("type")
        self.raw_finish_reason = "error"
        return self.fail(error.get("message") or str(error.get("type") or "unknown error"))

    def flush(self) -> Chunks:
        """Count what was used, as far as it was told."""
        if self._usage:
            self.usage = to_usage(self._usage)
            self.metadata["serviceTier"] = self._usage.get("service_tier")
        return []

    # -- blocks

    def _block_start(self, event: JSON) -> Chunks:
        index, block = event["index"], event["content_block"]
        kind = block["type"]
        self._kinds[index] = kind
        part = self.block_id(index)
        if kind == "text":
            self._citations[index] = []
            chunks: Chunks = [TextStart(id=part)]
            if block.get("text"):  # of compatible servers only; the AI SDK loses it
                chunks.append(TextDelta(id=part, delta=block["text"]))
            return chunks
        if kind == "thinking":
            return [ReasoningStart(id=part)]
        if kind == "redacted_thinking":
            secret = {"anthropic": {"redactedData": block.get("data")}}
            return [ReasoningStart(id=part, provider_metadata=secret)]
        if kind == "compaction":
            return self._compaction(part, block)
        if kind == "fallback":
            fields = {"type": "fallback", "from": block.get("from"), "to": block.get("to")}
            return [Custom(kind="anthropic.fallback", provider_metadata={"anthropic": fields})]
        return self._tools.start(index, block)

    def _compaction(self, part: str, block: JSON) -> Chunks:
        signature = block.get("signature")
        fields: dict[str, JSON] = {"type": "compaction"}
        if signature is not None:
            fields["signature"] = signature
        start = TextStart(id=part, provider_metadata={"anthropic": fields})
        if signature is not None and block.get("content"):  # asked for: comes whole
            return [start, TextDelta(id=part, delta=block["content"])]
        return [start]

    def _block_stop(self, event: JSON) -> Chunks:
        index = event["index"]
        kind = self._kinds.pop(index, None)
        part = self.block_id(index)
        if kind in {"text", "compaction"}:
            cited = self._citations.pop(index, [])
            if not cited:
                return [TextEnd(id=part)]
            return [
                TextEnd(
                    id=part,
                    citations=[mapped_citation(one, self._documents) for one in cited]
                    if self._cites
                    else ABSENT,
                    provider_metadata={"anthropic": {"citations": cited}},
                )
            ]
        if kind in {"thinking", "redacted_thinking"}:
            return [ReasoningEnd(id=part)]
        return self._tools.stop(index)

    def _block_delta(self, event: JSON) -> Chunks:
        index, delta = event["index"], event["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            text = delta["text"]
            return [TextDelta(id=self.block_id(index), delta=text)] if text else []
        if kind == "input_json_delta":
            return self._tools.delta(index, delta["partial_json"])
        if kind == "thinking_delta":
            return [ReasoningDelta(id=self.block_id(index), delta=delta["thinking"])]
        if kind == "signature_delta":
            if self._kinds.get(index) != "thinking":
                return []
            fields = {"anthropic": {"signature": delta["signature"]}}
            return [ReasoningDelta(id=self.block_id(index), delta="", provider_metadata=fields)]
        if kind == "compaction_delta":
            text = delta.get("content")
            return [TextDelta(id=self.block_id(index), delta=text)] if text else []
        if kind == "citations_delta":
            return self._citation(index, delta["citation"])
        return []

    def _citation(self, index: int, citation: JSON) -> Chunks:
        if index in self._citations:
            self._citations[index].append(citation)
        if self._cites and citation["type"] == "web_search_result_location":
            # What was retrieved is shown as sources; what is cited only if nothing was.
            self._web_citations.append(citation)
            return []
        return self._sources_of([citation])

    def _sources_of(self, citations: Sequence[JSON]) -> Chunks:
        found = (citation_source(one, self._documents, self.source_id) for one in citations)
        return [source for source in found if source is not None]

    _HANDLERS: ClassVar[dict[str | None, Callable[[Any, JSON], Chunks]]] = {
        "content_block_delta": _block_delta,
        "content_block_start": _block_start,
        "content_block_stop": _block_stop,
        "error": _error,
        "message_delta": _message_delta,
        "message_start": _message_start,
        "message_stop": _message_stop,
    }
