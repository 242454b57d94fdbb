"""Events of `astream_events` (version v2) into chunks. Rule: pure; v1 content blocks.

Source: langchain-core 1.7 content blocks; @ai-sdk/langchain for the choices: reasoning ends before
text, a model call is a step, sources are shown once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    DataChunk,
    File,
    Finish,
    FinishReason,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder, Usage, to_json

__all__ = ["LangChainEvents", "plain_words"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("stop", "end_turn", "STOP", "stop_sequence", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "MAX_TOKENS"), "length"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool-calls"),
    **dict.fromkeys(("content_filter", "refusal", "SAFETY"), "content-filter"),
}


def plain_words(message: Any) -> str | None:
    """Give the text of a piece that holds nothing but text; None if there is more to look at.

    Of such a piece `content_blocks` would give one block of text, at ten times the cost.
    """
    words = message.content
    if type(words) is not str or not words or message.additional_kwargs:
        return None
    told = message.response_metadata
    if told and (len(told) > 1 or "model_provider" not in told):
        return None
    if getattr(message, "tool_call_chunks", None) or getattr(message, "usage_metadata", None):
        return None
    return words


class LangChainEvents:
    """One run of a model or graph; each model call is a step.

    Attributes:
        asked: Interrupts that became approval requests, by their id.
        unanswered: Tool calls without an output so far: id -> name.
    """

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.unanswered: dict[str, str] = {}
        self._step: _Step | None = None
        self._finish: Finish | None = None
        self._sources: set[str] = set()

    def feed(self, event: JSON) -> Chunks:
        """Take one event."""
        handler = self._HANDLERS.get(event["event"])
        return handler(self, event) if handler is not None else []

    def end(self) -> Chunks:
        """Close the last step, and finish as the last model call did."""
        return [*self._end_step(), self._finish or Finish(finish_reason="interrupted")]

    def fail(self, text: str) -> Chunks:
        """Give an `error`, inside the step if one is open."""
        step = self._step or _Step("error", self._sources)
        return [*step.fail(text), *step.end()]

    def _end_step(self) -> Chunks:
        step, self._step = self._step, None
        if step is None:
            return []
        *chunks, self._finish = step.end()  # type: ignore[assignment]  # the last is a Finish
        return chunks

    def _model_start(self, event: JSON) -> Chunks:
        chunks = self._end_step()
        self._step = _Step(event["run_id"], self._sources)
        return chunks

    def _model_stream(self, event: JSON) -> Chunks:
        if self._step is None:
            return []
        return self._step.feed({"message": event["data"]["chunk"]})

    def _model_end(self, event: JSON) -> Chunks:
        if self._step is None:
            return []
        output = event["data"]["output"]
        self.unanswered |= {
            call["id"]: call["name"] for call in getattr(output, "tool_calls", []) or []
        }
        return self._step.feed({"message": output, "is_whole": True})

    def _tool_end(self, event: JSON) -> Chunks:
        output = event["data"].get("output")
        call_id = getattr(output, "tool_call_id", None)
        if call_id is None:
            return []
        self.unanswered.pop(call_id, None)
        content = output.content
        if getattr(output, "status", None) == "error":
            text = content if isinstance(content, str) else to_json(content)
            return [ToolOutputError(tool_call_id=call_id, error_text=text)]
        return [ToolOutputAvailable(tool_call_id=call_id, output=content)]

    def _tool_error(self, event: JSON) -> Chunks:
        error, call_id = event["data"].get("error"), event["data"].get("tool_call_id")
        if call_id is None:
            return []
        interrupts = error.args[0] if type(error).__name__ == "GraphInterrupt" else ()
        for interrupt in interrupts:
            self.asked.add(interrupt.id)
            self.unanswered.pop(call_id, None)
            return [ToolApprovalRequest(approval_id=interrupt.id, tool_call_id=call_id)]
        self.unanswered.pop(call_id, None)
        return [ToolOutputError(tool_call_id=call_id, error_text=str(error))]

    def _custom(self, event: JSON) -> Chunks:
        return [DataChunk(type=f"data-{event['name']}", data=event["data"])]

    _HANDLERS: ClassVar[dict[str, Callable[[Any, JSON], Chunks]]] = {
        "on_chat_model_start": _model_start,
        "on_chat_model_stream": _model_stream,
        "on_chat_model_end": _model_end,
        "on_tool_end": _tool_end,
        "on_tool_error": _tool_error,
        "on_custom_event": _custom,
    }


class _Step(StepDecoder):
    def __init__(self, run_id: str, sources: set[str]) -> None:
        super().__init__()
        self._run_id = run_id
        self._text: str | None = None
        self._reasoning: str | None = None
        self._made = 0
        self._said = False
        self._calls: dict[Any, tuple[str, str, list[str]]] = {}
        self._sources = sources

    def decode(self, event: JSON) -> Chunks:
        """Take a message's chunk, or at the end the whole message."""
        self.begin()
        message = event["message"]
        if "is_whole" in event:
            return self._whole(message)
        words = plain_words(message)
        if words is not None:  # the path of a token
            self._said = True
            if self._text is not None:
                return [TextDelta(id=self._text, delta=words)]
            return self._say({"text": words})
        chunks = [one for block in message.content_blocks for one in self._block(block)]
        self._said = self._said or bool(chunks)
        return chunks

    def _whole(self, message: Any) -> Chunks:
        chunks: Chunks = []
        if not self._said:  # a model that does not stream
            blocks = [block for block in message.content_blocks if block["type"] != "tool_call"]
            chunks += [one for block in blocks for one in self._block(block)]
        chunks += [*self._end_reasoning(), *self._end_text()]
        for call in message.tool_calls:
            if all(call["id"] != call_id for call_id, _, _ in self._calls.values()):
                chunks += self._call_chunk({**call, "args": to_json(call["args"])})
        for call_id, name, written in self._calls.values():
            chunks.append(self.tool_input(call_id, name, "".join(written)))
        self._note_end(message)
        return chunks

    def _note_end(self, message: Any) -> None:
        told = message.response_metadata or {}
        reason = told.get("finish_reason") or told.get("stop_reason") or told.get("status")
        self.raw_finish_reason = reason
        self.finish_reason = _REASONS.get(reason or "", "stop" if reason is None else "other")
        if self._calls and self.finish_reason == "stop":
            self.finish_reason = "tool-calls"
        if told.get("model_name"):
            self.metadata["modelId"] = told["model_name"]
        usage = message.usage_metadata
        if usage:
            entering = usage.get("input_token_details") or {}
            leaving = usage.get("output_token_details") or {}
            self.usage = Usage(
                input_tokens=usage.get("input_tokens"),
                cache_read_tokens=entering.get("cache_read"),
                cache_write_tokens=entering.get("cache_creation"),
                output_tokens=usage.get("output_tokens"),
                reasoning_tokens=leaving.get("reasoning"),
                raw=dict(usage),
            )

    def _block(self, block: JSON) -> Chunks:
        kind = block["type"]
        if kind == "text":
            return self._say(block)
        if kind == "reasoning":
            return self._think(block.get("reasoning") or "")
        if kind == "tool_call_chunk":
            return [*self._end_reasoning(), *self._call_chunk(block)]
        if kind in {"image", "audio", "video", "file"}:
            return self._file(block)
        return []

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{self._run_id}-{kind}-{self._made}"

    def _say(self, block: JSON) -> Chunks:
        chunks: Chunks = []
        if block.get("text"):
            chunks += self._end_reasoning()
            if self._text is None:
                self._text = self._name("text")
                chunks.append(TextStart(id=self._text))
            chunks.append(TextDelta(id=self._text, delta=block["text"]))
        for note in block.get("annotations") or []:
            url = note.get("url")
            if note.get("type") == "citation" and url and url not in self._sources:
                self._sources.add(url)
                title = note.get("title") or ABSENT
                chunks.append(SourceUrl(source_id=self._name("source"), url=url, title=title))
        return chunks

    def _think(self, text: str) -> Chunks:
        if not text:
            return []
        chunks: Chunks = [*self._end_text()]
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

    def _call_chunk(self, block: JSON) -> Chunks:
        index = block.get("index", block.get("id"))
        chunks: Chunks = []
        if index not in self._calls:
            if not block.get("name"):
                return []
            call_id = block.get("id") or self._name("call")
            self._calls[index] = (call_id, block["name"], [])
            chunks.append(ToolInputStart(tool_call_id=call_id, tool_name=block["name"]))
        if block.get("args"):
            call_id, _, written = self._calls[index]
            written.append(block["args"])
            chunks.append(ToolInputDelta(tool_call_id=call_id, input_text_delta=block["args"]))
        return chunks

    def _file(self, block: JSON) -> Chunks:
        media_type = block.get("mime_type") or "application/octet-stream"
        url = block.get("url")
        if block.get("base64"):
            url = f"data:{media_type};base64,{block['base64']}"
        return [File(url=url, media_type=media_type)] if url else []
