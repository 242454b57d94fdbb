"""Records of Ollama's `/api/chat` into chunks. Rule: pure; calls have no ids, so we name them.

Source: ollama 0.6.3 `ChatResponse`; docs/api.md of ollama.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.chunks import (
    FinishReason,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputDelta,
    ToolInputStart,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder, Usage, to_json

__all__ = ["OllamaDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class OllamaDecoder(StepDecoder):
    """One answer of the model as one step.

    Args:
        prefix: Goes before every id, so that ids of a message's steps do not collide.
    """

    def __init__(self, *, prefix: str = "ollama") -> None:
        super().__init__()
        self._prefix = prefix
        self._named = 0
        self._text: str | None = None
        self._reasoning: str | None = None
        self._called = False
        self.metadata["provider"] = "ollama"

    def decode(self, event: JSON) -> Chunks:
        """Say what one record means."""
        if event.get("error"):
            return self.fail(str(event["error"]))
        self.metadata["modelId"] = event.get("model")
        message = event.get("message") or {}
        chunks = self._message(message) if message else []
        if event.get("done"):
            self._done(event)
        return chunks

    def flush(self) -> Chunks:
        """End the open blocks."""
        return [*self._end_reasoning(), *self._end_text()]

    def _message(self, message: JSON) -> Chunks:
        chunks: Chunks = []
        if message.get("thinking"):
            chunks += self._think(message["thinking"])
        if message.get("content"):
            chunks += self._say(message["content"])
        for call in message.get("tool_calls") or []:
            chunks += self._call(call["function"])
        return chunks

    def _done(self, event: JSON) -> None:
        reason = event.get("done_reason") or "stop"
        self.raw_finish_reason = reason
        self.finish_reason = _REASONS.get(reason, "other")
        if self._called and self.finish_reason == "stop":
            self.finish_reason = "tool-calls"
        counts = {
            name: value
            for name, value in event.items()
            if name.endswith(("_count", "_duration")) and value is not None
        }
        self.usage = Usage(
            input_tokens=event.get("prompt_eval_count"),
            output_tokens=event.get("eval_count"),
            raw=counts,
        )

    def _name(self, kind: str) -> str:
        self._named += 1
        return f"{self._prefix}-{kind}-{self._named}"

    def _say(self, text: str) -> Chunks:
        chunks = self._end_reasoning()
        if self._text is None:
            self._text = self._name("text")
            chunks.append(TextStart(id=self._text))
        return [*chunks, TextDelta(id=self._text, delta=text)]

    def _think(self, text: str) -> Chunks:
        chunks = self._end_text()
        if self._reasoning is None:
            self._reasoning = self._name("reasoning")
            chunks.append(ReasoningStart(id=self._reasoning))
        return [*chunks, ReasoningDelta(id=self._reasoning, delta=text)]

    def _end_text(self) -> Chunks:
        part, self._text = self._text, None
        return [] if part is None else [TextEnd(id=part)]

    def _end_reasoning(self) -> Chunks:
        part, self._reasoning = self._reasoning, None
        return [] if part is None else [ReasoningEnd(id=part)]

    def _call(self, function: JSON) -> Chunks:
        self._called = True
        call_id, name = self._name("call"), function["name"]
        arguments = function.get("arguments")
        written = arguments if isinstance(arguments, str) else to_json(arguments or {})
        return [
            *self._end_reasoning(),
            *self._end_text(),
            ToolInputStart(tool_call_id=call_id, tool_name=name),
            ToolInputDelta(tool_call_id=call_id, input_text_delta=written),
            self.tool_input(call_id, name, written),
        ]
