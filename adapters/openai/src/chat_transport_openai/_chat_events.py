"""Frames of Chat Completions into chunks, for OpenAI and every server that speaks its dialect.

Rule: pure. Only the choice with index 0 is read; an unknown field means nothing.
Source: openai 3.52.0 types; vendors' recorded streams; AI SDK 7.0.173 for the chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from chat_transport.chunks import (
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder, Usage

from ._chat_dialects import dialect
from ._chat_media import AudioReply, image_files
from ._chat_tools import ToolCalls
from ._think_tags import ThinkTags

__all__ = ["ChatDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


class ChatDecoder(StepDecoder):
    """One reply of Chat Completions as one step.

    Args:
        provider: The key in `providerMetadata`, and whose dialect is read.
        think_tags: Words between `<think>` and `</think>` at the beginning are reasoning.
    """

    def __init__(
        self,
        *,
        provider: str = "openai",
        think_tags: bool = False,
    ) -> None:
        super().__init__()
        self._tags = ThinkTags() if think_tags else None
        self._provider = provider
        self._dialect = dialect(provider)
        self._text: str | None = None
        self._held: Chunks = []
        self._reasoning: str | None = None
        self._last_thought: str | None = None
        self._blocks_made = 0
        self._refused = False
        self._tools = ToolCalls(self, provider)
        self._audio = AudioReply(provider)
        self._details: list[JSON] = []
        self._sources: dict[str, None] = {}
        self.metadata["provider"] = provider

    def decode(self, event: JSON) -> Chunks:
        """Say what one frame means."""
        if event.get("error"):
            if self._provider != "openai":  # as the AI SDK: a reply of theirs has begun
                self.begin()
            return self._error(event["error"])
        if "choices" not in event:
            if isinstance(event.get("type"), str) and event["type"].startswith("response."):
                return self.fail(
                    "the server answered with a Responses stream; use the Responses adapter "
                    "(`OpenAIResponses`, on the command line `openai:MODEL`)"
                )
            return []
        self._note_head(event)
        sources: Chunks = list(self._page_sources(event)) if "citations" in event else []
        chunks: Chunks = []
        for choice in event["choices"]:
            if choice.get("index") in {0, None}:
                chunks += self._choice(choice)
        if self._held and (chunks or sources):
            chunks, self._held = [*self._held, *chunks], []
        return [*sources, *chunks] if sources else chunks

    def flush(self) -> Chunks:
        """Close the blocks, then give the tool calls, which nothing else ends."""
        chunks, self._held = self._held, []
        if self._tags is not None:
            for thinks, words in self._tags.flush():
                chunks += self._think(words) if thinks else self._say(words)
        thought, said = self._end_reasoning(), self._end_text()
        chunks += [*said, *thought] if self._dialect.ends_text_first else [*thought, *said]
        chunks += self._audio.flush()
        chunks += self._tools.flush()
        if self.failed:
            return chunks
        if self.raw_finish_reason is not None:
            self.finish_reason = self._dialect.reasons.get(self.raw_finish_reason, "other")
            if self.finish_reason == "stop" and self._refused:
                self.finish_reason = "content-filter"
        elif self.is_done:  # some servers never say why they stop
            self.finish_reason = "tool-calls" if self._tools.has_calls else "stop"
        return chunks

    def _error(self, error: JSON) -> Chunks:
        if not isinstance(error, dict):
            return self.fail(str(error))
        if error.get("code") is not None:
            self.metadata["errorCode"] = error["code"]
        return self.fail(error.get("message") or str(error))

    def _note_head(self, event: JSON) -> None:
        metadata = self.metadata
        if "responseId" not in metadata and event.get("id"):
            metadata["responseId"] = event["id"]
            metadata["modelId"] = event.get("model")
        if event.get("service_tier"):
            metadata["serviceTier"] = event["service_tier"]
        usage = event.get("usage")
        if usage is None and event["choices"]:
            usage = event["choices"][0].get("usage")  # Moonshot
        if usage is None and "x_groq" in event:
            usage = (event["x_groq"] or {}).get("usage")
        if usage:
            self.usage = _usage(usage)

    def _choice(self, choice: JSON) -> Chunks:
        if choice.get("finish_reason"):
            self.raw_finish_reason = choice["finish_reason"]
        delta = choice.get("delta")
        if not delta:
            return []
        content = delta.get("content")
        if type(content) is str and content and len(delta) == 1:  # the path of a token
            return self._say(content) if self._tags is None else self._untag(self._tags, content)
        if self._dialect.text_first:
            chunks = [*self._content(content), *self._think_delta(delta)]
        else:
            chunks = [*self._think_delta(delta), *self._content(content)]
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._refused = True
            chunks += self._say(refusal)
        if delta.get("annotations"):
            chunks += self._annotations(delta["annotations"])
        if delta.get("images"):
            chunks += image_files(delta["images"])
        if delta.get("audio"):
            transcript = self._audio.feed(delta["audio"])
            chunks += self._say(transcript) if transcript else []
        calls = delta.get("tool_calls")
        if not calls and delta.get("function_call"):  # the form before tool calls
            calls = [{"index": 0, "function": delta["function_call"]}]
        if calls:
            chunks += self._end_reasoning()
            for call in calls:
                chunks += self._tools.feed(call)
            if self._dialect.calls_at_once:
                chunks += self._tools.flush()
        if delta.get("executed_tools"):  # Groq's compound models
            chunks += self._tools.executed(delta["executed_tools"])
        return chunks

    # -- text and reasoning

    def _content(self, content: JSON) -> Chunks:
        if isinstance(content, str):
            if self._tags is not None:
                return self._untag(self._tags, content)
            return self._say(content) if content or self._opens_empty() else []
        chunks: Chunks = []
        for part in content or []:  # Mistral gives lists
            if part.get("type") == "text" and part.get("text"):
                chunks += self._say(part["text"])
            elif part.get("type") == "thinking":
                pieces = part.get("thinking") or []
                text = "".join(one.get("text") or "" for one in pieces if isinstance(one, dict))
                chunks += self._think(text) if text else []
        return chunks

    def _opens_empty(self) -> bool:
        return self._dialect.keeps_empty_text and self._reasoning is None

    def _untag(self, tags: ThinkTags, text: str) -> Chunks:
        chunks: Chunks = []
        for thinks, words in tags.feed(text):
            chunks += self._think(words) if thinks else self._say(words)
        return chunks

    def _think_delta(self, delta: JSON) -> Chunks:
        # Where both fields are present they hold the same text.
        text = delta.get("reasoning_content") or delta.get("reasoning")
        details = delta.get("reasoning_details")
        if details:
            self._details += details
            if not text:
                text = "".join(one.get("text") or one.get("summary") or "" for one in details)
        return self._think(text) if isinstance(text, str) and text else []

    def _say(self, text: str) -> Chunks:
        if self._text is not None and text:  # the path of a token
            ends = [] if self._reasoning is None else self._end_reasoning()
            return [*ends, TextDelta(id=self._text, delta=text)]
        delta: Chunks = []
        if self._text is None:
            ends = self._end_reasoning()
            self._text = self._name("text")
            start = TextStart(id=self._text)
            delta = [start, *ends] if self._dialect.opens_text_first else [*ends, start]
            if not text:  # no output yet: an error that comes now stands alone
                self._held = delta
                return []
        if text:
            delta.append(TextDelta(id=self._text, delta=text))
        return delta

    def _think(self, text: str) -> Chunks:
        if self._dialect.repeats_thinking:
            if text == self._last_thought:
                return []
            self._last_thought = text
        if self._reasoning is not None:
            return [ReasoningDelta(id=self._reasoning, delta=text)]
        chunks: Chunks = [] if self._dialect.thinks_beside_text else [*self._end_text()]
        self._reasoning = part = self._name("reasoning")
        return [*chunks, ReasoningStart(id=part), ReasoningDelta(id=part, delta=text)]

    def _name(self, kind: str) -> str:
        # Ids of different steps of one message must not collide, so the reply's id is in front.
        self._blocks_made += 1
        return f"{self.metadata.get('responseId') or 'chat'}-{kind}-{self._blocks_made}"

    def _end_text(self) -> Chunks:
        part, self._text = self._text, None
        return [] if part is None else [TextEnd(id=part)]

    def _end_reasoning(self) -> Chunks:
        part, self._reasoning = self._reasoning, None
        if part is None:
            return []
        if not self._details:
            return [ReasoningEnd(id=part)]
        # Whole, for the next request: encrypted parts and signatures are among them.
        details, self._details = self._details, []
        fields = {self._provider: {"reasoning_details": details}}
        return [ReasoningEnd(id=part, provider_metadata=fields)]

    # -- sources

    def _annotations(self, annotations: JSON) -> Iterator[UIMessageChunk]:
        for annotation in annotations:
            cited = annotation.get("url_citation")
            if cited and cited.get("url"):
                yield self._source(cited["url"], cited.get("title"))

    def _page_sources(self, event: JSON) -> Iterator[UIMessageChunk]:
        # Perplexity and xAI repeat the whole list in every frame.
        for url in event.get("citations") or []:
            if isinstance(url, str) and url not in self._sources:
                self._sources[url] = None
                yield self._source(url, None)

    def _source(self, url: str, title: str | None) -> SourceUrl:
        self._blocks_made += 1
        source_id = f"{self.metadata.get('responseId') or 'chat'}-source-{self._blocks_made}"
        if title is None:
            return SourceUrl(source_id=source_id, url=url)
        return SourceUrl(source_id=source_id, url=url, title=title)


def _usage(usage: JSON) -> Usage:
    entering = usage.get("prompt_tokens_details") or {}
    leaving = usage.get("completion_tokens_details") or {}
    cached = entering.get("cached_tokens")
    if cached is None:
        cached = usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens") or 0
    return Usage(
        input_tokens=usage.get("prompt_tokens"),
        cache_read_tokens=cached,
        cache_write_tokens=entering.get("cache_write_tokens"),
        output_tokens=usage.get("completion_tokens"),
        reasoning_tokens=leaving.get("reasoning_tokens") or 0,
        raw=usage,
    )
