"""LiteLLM's chunks into ours: Chat Completions, plus what LiteLLM adds or blurs.

Rule: pure. Server tools come as ordinary calls with ids of their own kind; the provider has run
them, so they are marked so and do not end the step for tools.
Source: litellm 1.106.2 `ModelResponseStream`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport_openai import ChatDecoder

from chat_transport.chunks import (
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)

__all__ = ["LiteLLMDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_WORDS = {"content"}

_HOSTED = ("srvtoolu_", "mcptoolu_")
"""Beginnings of the ids that Anthropic gives to calls which it runs itself."""


class LiteLLMDecoder(ChatDecoder):
    """One answer through LiteLLM as one step."""

    def __init__(self) -> None:
        super().__init__(provider="litellm")
        self._hosted: dict[int, tuple[str, str, list[str]]] = {}
        self._answered: set[str] = set()
        self._called = False
        self._thought: str | None = None

    def decode(self, event: JSON) -> Chunks:
        """Say what one chunk means."""
        choices = event.get("choices") or []
        if len(choices) == 1 and choices[0].get("delta", {}).keys() == _WORDS:
            return super().decode(event)  # the path of a token
        chunks: Chunks = []
        extra: list[JSON] = []
        for choice in choices:
            delta = choice.get("delta") or {}
            chunks += self._take_hosted(delta)
            extra.append(delta)
        said = super().decode(event)
        for chunk in said:
            if isinstance(chunk, ReasoningStart):
                self._thought = chunk.id
        chunks = [*said, *chunks]
        for delta in extra:
            for block in delta.get("thinking_blocks") or []:
                chunks += self._thinking(block, ends=said)
            chunks += self._results(delta.get("provider_specific_fields") or {})
        return chunks

    def flush(self) -> Chunks:
        """Give the hosted calls that have no result, then what Chat Completions gives."""
        chunks = [chunk for index in list(self._hosted) for chunk in self._input_done(index)]
        said = super().flush()
        self._called = any(isinstance(chunk, ToolInputAvailable) for chunk in said)
        if self.finish_reason == "tool-calls" and self._answered and not self._called:
            self.finish_reason = "stop"
        return [*chunks, *said]

    # -- tools that the provider has run

    def _take_hosted(self, delta: JSON) -> Chunks:
        chunks: Chunks = []
        kept: list[JSON] = []
        for call in delta.get("tool_calls") or []:
            index = call.get("index") or 0
            is_new = str(call.get("id") or "").startswith(_HOSTED)
            if not is_new and (index not in self._hosted or call.get("id")):
                kept.append(call)
                continue
            function = call.get("function") or {}
            if is_new:
                name = function.get("name") or "tool"
                self._hosted[index] = (call["id"], name, [])
                start = ToolInputStart(
                    tool_call_id=call["id"], tool_name=name, provider_executed=True
                )
                chunks.append(start)
            if function.get("arguments"):
                call_id, _, written = self._hosted[index]
                written.append(function["arguments"])
                text = function["arguments"]
                chunks.append(ToolInputDelta(tool_call_id=call_id, input_text_delta=text))
        if "tool_calls" in delta:
            delta["tool_calls"] = kept
        return chunks

    def _input_done(self, index: int) -> Chunks:
        call_id, name, written = self._hosted.pop(index)
        self._answered.add(call_id)
        return [self.tool_input(call_id, name, "".join(written), provider_executed=True)]

    def _results(self, fields: JSON) -> Chunks:
        chunks: Chunks = []
        results = [*(fields.get("web_search_results") or []), *(fields.get("tool_results") or [])]
        for result in results:
            call_id = result.get("tool_use_id")
            if call_id is None:
                continue
            for index, (hosted_id, _, _) in list(self._hosted.items()):
                if hosted_id == call_id:
                    chunks += self._input_done(index)
            content = result.get("content")
            if call_id not in self._answered:  # LiteLLM shows results of MCP, but not their calls
                self._answered.add(call_id)
                chunks.append(
                    ToolInputAvailable(
                        tool_call_id=call_id,
                        tool_name="mcp",
                        input={},
                        provider_executed=True,
                        dynamic=True,
                    )
                )
            chunks.append(
                ToolOutputAvailable(tool_call_id=call_id, output=content, provider_executed=True)
            )
            chunks += self._hits(call_id, content)
        return chunks

    def _hits(self, call_id: str, content: JSON) -> Chunks:
        hits = content if isinstance(content, list) else []
        return [
            SourceUrl(
                source_id=f"{call_id}-{number}",
                url=hit["url"],
                title=hit.get("title") or hit["url"],
            )
            for number, hit in enumerate(hits, start=1)
            if isinstance(hit, dict) and hit.get("url")
        ]

    # -- signatures

    def _thinking(self, block: JSON, *, ends: Chunks) -> Chunks:
        """Keep what the provider wants to see again: signatures, and thoughts it hides."""
        if block.get("type") == "redacted_thinking":
            part = f"redacted-{len(self._answered)}-{block.get('data', '')[:16]}"
            fields = {"litellm": {"redactedData": block.get("data")}}
            return [ReasoningStart(id=part, provider_metadata=fields), ReasoningEnd(id=part)]
        signature = block.get("signature")
        part_id = self._thought
        if not signature or part_id is None or not self.is_open(ReasoningStart, part_id):
            return []
        if any(isinstance(chunk, ReasoningEnd) and chunk.id == part_id for chunk in ends):
            return []
        fields = {"litellm": {"signature": signature}}
        return [ReasoningDelta(id=part_id, delta="", provider_metadata=fields)]
