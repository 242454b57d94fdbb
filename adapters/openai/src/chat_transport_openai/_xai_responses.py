"""xAI's Responses API: its own tools, sources beside the text, reasoning that may come encrypted.

Rule: pure. A text begins with its first words and ends with the reply.
Source: AI SDK 7.0.173 (@ai-sdk/xai 4.0.43) for the chunks.
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
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)

from ._responses_events import ResponsesDecoder
from ._responses_outputs import web_search_output

__all__ = ["XaiResponsesDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_TOOLS = {
    "code_execution_call": "code_execution",
    "code_interpreter_call": "code_execution",
    "custom_tool_call": None,
    "file_search_call": "file_search",
    "image_generation_call": "image_generation",
    "view_image_call": None,
    "view_x_video_call": None,
    "web_search_call": "web_search",
    "x_search_call": "x_search",
}
"""Items of tools that xAI runs, and the tool's name; None: the item's own name."""

_SUBTOOLS = {
    "browse_page": "web_search",
    "code_execution": "code_execution",
    "web_search": "web_search",
    "web_search_with_snippets": "web_search",
    "x_keyword_search": "x_search",
    "x_semantic_search": "x_search",
    "x_thread_fetch": "x_search",
    "x_user_search": "x_search",
}
"""Names of custom calls that are part of a declared tool."""

_NO_INPUT = frozenset(_SUBTOOLS.values()) | {"file_search", "image_generation"}
"""Tools whose declared input is empty; what the model asked them is in the delta."""


class XaiResponsesDecoder(ResponsesDecoder):
    """One response of xAI."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._called: set[str] = set()

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        kind, item = event.get("type") or "", event.get("item") or {}
        if kind == "response.done":
            kind = "response.completed"
            event = event | {"type": kind}
        if kind == "response.output_text.annotation.added" and not self._cites:
            return self._cited([event["annotation"]])
        if kind.startswith("response.reasoning"):
            return self._reasoned(kind, event)
        if kind.startswith("response.image_generation_call."):
            return self._called_once({"id": event["item_id"], "type": "image_generation_call"})
        if item.get("type") in _TOOLS:
            return self._ran(kind, item)
        if item.get("type") == "reasoning":
            return self._thought(item) if kind == "response.output_item.done" else []
        if item.get("type") == "message":
            return self._wrote(event, item)
        chunks = super().decode(event)
        if kind == "response.output_text.delta":
            return [*self._begin_text(event["item_id"]), *chunks]
        return [_plain(chunk) for chunk in chunks]

    # -- text and sources

    def _begin_text(self, item_id: str) -> Chunks:
        return [] if self.is_open(TextStart, item_id) else [TextStart(id=item_id)]

    def _wrote(self, event: JSON, item: JSON) -> Chunks:
        parts = item.get("content") or []
        words = "".join(part.get("text") or "" for part in parts)
        chunks: Chunks = []
        if words and not self.is_open(TextStart, item["id"]):
            chunks = [TextStart(id=item["id"]), TextDelta(id=item["id"], delta=words)]
        if not self._cites:
            return [*chunks, *self._cited([a for p in parts for a in p.get("annotations") or []])]
        if event["type"] == "response.output_item.done" and (
            chunks or self.is_open(TextStart, item["id"])
        ):
            chunks += super().decode(event)
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

    # -- reasoning

    def _reasoned(self, kind: str, event: JSON) -> Chunks:
        self.begin()
        if kind.endswith(".done"):
            return []
        chunks = self._begin_reasoning(event["item_id"])
        if kind.endswith(".delta"):
            fields = self.pm(itemId=event["item_id"])
            delta = ReasoningDelta(
                id=event["item_id"], delta=event["delta"], provider_metadata=fields
            )
            chunks.append(delta)
        return chunks

    def _begin_reasoning(self, item_id: str) -> Chunks:
        if self.is_open(ReasoningStart, item_id):
            return []
        return [ReasoningStart(id=item_id, provider_metadata=self.pm(itemId=item_id))]

    def _thought(self, item: JSON) -> Chunks:
        fields = {"itemId": item["id"]}
        if item.get("encrypted_content"):
            fields["reasoningEncryptedContent"] = item["encrypted_content"]
        end = ReasoningEnd(id=item["id"], provider_metadata=self.pm(**fields))
        return [*self._begin_reasoning(item["id"]), end]

    # -- tools that xAI runs

    def _ran(self, kind: str, item: JSON) -> Chunks:
        self.begin()
        is_done = kind == "response.output_item.done"
        is_late = item["type"] == "custom_tool_call" and not is_done
        chunks = [] if is_late else self._called_once(item)
        return [*chunks, *_outcome(item)] if is_done else chunks

    def _called_once(self, item: JSON) -> Chunks:
        call_id = item["id"]
        if call_id in self._called:
            return []
        self._called.add(call_id)
        name = _tool_name(item)
        asked = item.get("input" if item["type"] == "custom_tool_call" else "arguments") or ""
        if item["type"] == "image_generation_call":
            asked = "{}"
        available = self.tool_input(
            call_id, name, "" if name in _NO_INPUT else asked, provider_executed=True
        )
        return [
            ToolInputStart(tool_call_id=call_id, tool_name=name),
            ToolInputDelta(tool_call_id=call_id, input_text_delta=asked),
            available,
        ]


def _tool_name(item: JSON) -> str:
    own = item.get("name") or ""
    if own in _SUBTOOLS:
        return _SUBTOOLS[own]
    return _TOOLS[item["type"]] or own or item["type"].removesuffix("_call")


def _outcome(item: JSON) -> Chunks:
    call_id, kind = item["id"], item["type"]
    output: dict[str, JSON] = {}
    files: Chunks = []
    if kind == "image_generation_call":
        if item.get("result") is None:
            text = f"Image generation failed (status: {item.get('status')})."
            return [ToolOutputError(tool_call_id=call_id, error_text=text, provider_executed=True)]
        output = {"result": item["result"]}
        if item.get("prompt") is not None:
            output["prompt"] = item["prompt"]
        media_type = f"image/{item.get('output_format') or 'png'}"
        url = f"data:{media_type};base64,{item['result']}"
        files = [File(url=url, media_type=media_type)]
    elif kind == "file_search_call":
        output = {"queries": item.get("queries") or [], "results": _found(item.get("results"))}
    elif kind == "web_search_call":
        output = web_search_output(item.get("action"))
    elif item.get("outputs") is not None:
        output = {"outputs": item["outputs"]}
    done = ToolOutputAvailable(tool_call_id=call_id, output=output, provider_executed=True)
    return [done, *files]


def _found(results: JSON) -> JSON:
    return results and [
        {
            "fileId": one.get("file_id"),
            "filename": one.get("filename"),
            "score": one.get("score"),
            "text": one.get("text"),
        }
        for one in results
    ]


def _plain(chunk: UIMessageChunk) -> UIMessageChunk:
    if isinstance(chunk, ToolInputAvailable) and chunk.provider_executed is ABSENT:
        return msgspec.structs.replace(chunk, provider_metadata=ABSENT)
    return chunk
