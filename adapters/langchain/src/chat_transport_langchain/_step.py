"""One model call: its messages' pieces into the chunks of a step. Rule: pure; v1 content blocks.

Source: langchain-core 1.7 content blocks; @ai-sdk/langchain for the choices: reasoning ends before
text, sources are shown once.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    File,
    FinishReason,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder, Usage, to_json

__all__ = ["ModelStep", "plain_words"]

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


class ModelStep(StepDecoder):
    """One model call.

    Args:
        run_id: LangChain's id of the call; parts are named after it.
        sources: URLs that were shown before, shared by all calls of a run.
        told: What each part says of where it comes from, under `langchain`.

    Attributes:
        said: It has given chunks.
    """

    def __init__(self, run_id: str, sources: set[str], told: dict[str, str] | None = None) -> None:
        super().__init__()
        self.said = False
        self._told = {"langchain": told} if told else ABSENT
        self._hosted: dict[Any, tuple[str, str, list[str]]] = {}
        self._refused = False
        self._run_id = run_id
        self._text: str | None = None
        self._reasoning: str | None = None
        self._made = 0
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
            self.said = True
            if self._text is not None:
                return [TextDelta(id=self._text, delta=words)]
            return self._say({"text": words})
        chunks = [one for block in message.content_blocks for one in self._block(block)]
        chunks += self._refuse(message.additional_kwargs.get("refusal"))
        self.said = self.said or bool(chunks)
        return chunks

    def _whole(self, message: Any) -> Chunks:
        chunks: Chunks = []
        if not self.said:  # a model that does not stream
            blocks = [block for block in message.content_blocks if block["type"] != "tool_call"]
            chunks += [one for block in blocks for one in self._block(block)]
            chunks += self._refuse(message.additional_kwargs.get("refusal"))
        chunks += [*self._end_reasoning(), *self._end_text()]
        for call in message.tool_calls:
            if all(call["id"] != call_id for call_id, _, _ in self._calls.values()):
                chunks += self._call_chunk({**call, "args": to_json(call["args"])})
        for call_id, name, written in self._calls.values():
            chunks.append(self.tool_input(call_id, name, "".join(written)))
        chunks += [one for index in list(self._hosted) for one in self._hosted_input(index)]
        self._note_end(message)
        return chunks

    def _note_end(self, message: Any) -> None:
        told = message.response_metadata or {}
        reason = told.get("finish_reason") or told.get("stop_reason") or told.get("status")
        self.raw_finish_reason = reason
        self.finish_reason = _REASONS.get(reason or "", "stop" if reason is None else "other")
        if self._calls and self.finish_reason == "stop":
            self.finish_reason = "tool-calls"
        if self._refused:
            self.finish_reason = "content-filter"
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
        if kind in {"server_tool_call", "server_tool_call_chunk"}:
            return [*self._end_reasoning(), *self._end_text(), *self._hosted_call(block)]
        if kind == "server_tool_result":
            return self._hosted_result(block)
        value = block.get("value") if kind == "non_standard" else block
        if isinstance(value, dict) and value.get("type") == "refusal":
            return self._refuse(value.get("refusal"))
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
                chunks.append(TextStart(id=self._text, provider_metadata=self._told))
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
            chunks.append(ReasoningStart(id=self._reasoning, provider_metadata=self._told))
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

    def _refuse(self, text: str | None) -> Chunks:
        if not text:
            return []
        self._refused = True
        return self._say({"text": text})

    # -- tools that the provider has run

    def _hosted_call(self, block: JSON) -> Chunks:
        index = block.get("index", block.get("id"))
        chunks: Chunks = []
        if index not in self._hosted:
            if not block.get("name"):
                return []
            call_id = block.get("id") or self._name("call")
            self._hosted[index] = (call_id, block["name"], [])
            chunks.append(
                ToolInputStart(
                    tool_call_id=call_id, tool_name=block["name"], provider_executed=True
                )
            )
        call_id, _, written = self._hosted[index]
        given = block.get("args")
        text = given if isinstance(given, str) else to_json(given) if given else ""
        if text:
            written.append(text)
            chunks.append(ToolInputDelta(tool_call_id=call_id, input_text_delta=text))
        return chunks

    def _hosted_input(self, index: object) -> Chunks:
        call_id, name, written = self._hosted.pop(index)
        return [self.tool_input(call_id, name, "".join(written), provider_executed=True)]

    def _hosted_result(self, block: JSON) -> Chunks:
        call_id, output = block["tool_call_id"], block.get("output")
        chunks: Chunks = []
        for index, (hosted_id, _, _) in list(self._hosted.items()):
            if hosted_id == call_id:
                chunks += self._hosted_input(index)
        if block.get("status") == "error":
            text = output if isinstance(output, str) else to_json(output)
            return [
                *chunks,
                ToolOutputError(tool_call_id=call_id, error_text=text, provider_executed=True),
            ]
        return [
            *chunks,
            ToolOutputAvailable(tool_call_id=call_id, output=output, provider_executed=True),
        ]
