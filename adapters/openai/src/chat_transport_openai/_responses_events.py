"""Events of the Responses API into chunks: text, reasoning, lifecycle; tools in `_responses_items`.

Rule: pure. Dispatch is on the wire's `type`; an unknown event means nothing.
Source: openai 3.52.0 event types; AI SDK 7.0.173 (@ai-sdk/openai 4.0.118) for the chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Literal, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    Custom,
    FinishReason,
    ProviderMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceDocument,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    UIMessageChunk,
)
from chat_transport.step import StepDecoder, Usage

from ._responses_items import ItemDecoder
from ._responses_sources import annotation_source, citations

__all__ = ["ResponsesDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]

_BEFORE_OUTPUT = frozenset(
    {
        "error",
        "response.created",
        "response.failed",
        "response.in_progress",
        "response.queued",
    }
)

_SOURCES = frozenset({"container_file_citation", "file_citation", "file_path", "url_citation"})
"""Annotations that name a source."""

_SOURCES_OF = {"azure": "parts", "xai": "parts"}


class ResponsesDecoder(StepDecoder):
    """One response of the Responses API as one step.

    Args:
        provider: The key in `providerMetadata`.
        tool_names: Functions that the caller declared; a call of an undeclared `parallel` is
            taken apart into calls of these.
        web_search_name: The name under which web search was declared.
        stores: The response is stored by an explicit `store: true`, so that a reasoning part may
            end before its final encrypted content is known.
        shell_is_hosted: The provider runs the `shell` tool.
        approvals: Approval request id -> tool call id, for MCP calls approved in this request.
        sources: `citations` tells what a text cites at its end, and what was retrieved as sources;
            `parts` tells each citation as a source where it is made, and nothing else. None is as
            the AI SDK's package for the provider: `parts` for Azure and xAI, else `citations`.
    """

    def __init__(
        self,
        *,
        provider: str = "openai",
        tool_names: Collection[str] = (),
        web_search_name: str = "web_search",
        stores: bool = False,
        shell_is_hosted: bool = False,
        approvals: dict[str, str] | None = None,
        sources: Literal["citations", "parts"] | None = None,
    ) -> None:
        super().__init__()
        self._cites = (sources or _SOURCES_OF.get(provider, "citations")) == "citations"
        self._provider = provider
        self._stores = stores
        self._items = ItemDecoder(
            self,
            provider=provider,
            tool_names=tool_names,
            web_search_name=web_search_name,
            shell_is_hosted=shell_is_hosted,
            approvals=approvals or {},
        )
        self._item_ids: dict[int, str] = {}
        self._annotations: list[JSON] = []
        self._uncited: list[JSON] = []
        self._phase: str | None = None
        self._refused = False
        self._reasoning: dict[str, dict[int, str]] = {}
        self._encrypted: dict[str, str | None] = {}
        self.metadata["provider"] = provider

    def decode(self, event: JSON) -> Chunks:
        """Say what one event means."""
        kind = event.get("type")
        if kind not in _BEFORE_OUTPUT:
            self.begin()
        handler = self._HANDLERS.get(kind)
        if handler is not None:
            return handler(self, event)
        if kind is None and "choices" in event:
            return self.fail(
                "the server answered with a Chat Completions stream; use the chat adapter "
                "(`OpenAIChat`, on the command line `openai-chat:MODEL`)"
            )
        return self._items.progress(kind, event)

    def flush(self) -> Chunks:
        """Give the sources that nothing retrieved has stood for, and held-back calls."""
        sources = [
            annotation_source(annotation, self._provider, self._items.source_id())
            for annotation in self._uncited
            if not self._items.retrieved(annotation["type"])
        ]
        return [*sources, *self._items.flush()]

    def pm(self, **fields: JSON) -> ProviderMetadata:
        """Put fields under the provider's name."""
        return {self._provider: fields}

    def _item_id(self, event: JSON) -> str:
        # Some gateways rotate item ids between events; output_index stays (GitHub Copilot).
        item_id: str = event.get("item_id") or event["item"]["id"]
        return self._item_ids.get(event.get("output_index", -1), item_id)

    # -- lifecycle

    def _created(self, event: JSON) -> Chunks:
        response = event["response"]
        self.metadata["responseId"] = response.get("id")
        self.metadata["modelId"] = response.get("model")
        return []

    def _finished(self, event: JSON) -> Chunks:
        response = event["response"]
        reason = (response.get("incomplete_details") or {}).get("reason")
        if not self.failed:
            self.finish_reason = self._reason(reason)
            self.raw_finish_reason = reason
        self._note_usage(response)
        return []

    def _failed(self, event: JSON) -> Chunks:
        response = event["response"]
        self._note_usage(response)
        reason = (response.get("incomplete_details") or {}).get("reason")
        error = response.get("error")
        chunks: Chunks = []
        if error is not None:
            chunks = self.fail(error.get("message") or str(error.get("code") or "unknown error"))
        self.finish_reason = self._reason(reason) if reason else "error"
        self.raw_finish_reason = reason or "error"
        return chunks

    def _error(self, event: JSON) -> Chunks:
        error = event.get("error") if isinstance(event.get("error"), dict) else event
        self.raw_finish_reason = "error"
        if error.get("code") is not None:
            self.metadata["errorCode"] = error["code"]
        return self.fail(error.get("message") or str(error.get("code") or "unknown error"))

    def _reason(self, reason: str | None) -> FinishReason:
        if reason is None:
            if self._items.called:
                return "tool-calls"
            return "content-filter" if self._refused else "stop"
        if reason == "max_output_tokens":
            return "length"
        if reason == "content_filter":
            return "content-filter"
        return "tool-calls" if self._items.called else "other"

    def _note_usage(self, response: JSON) -> None:
        usage = response.get("usage")
        if usage:
            entering = usage.get("input_tokens_details") or {}
            leaving = usage.get("output_tokens_details") or {}
            self.usage = Usage(
                input_tokens=usage.get("input_tokens"),
                cache_read_tokens=entering.get("cached_tokens") or 0,
                cache_write_tokens=entering.get("cache_write_tokens"),
                output_tokens=usage.get("output_tokens"),
                reasoning_tokens=leaving.get("reasoning_tokens") or 0,
                raw=usage,
            )
        self.metadata["serviceTier"] = response.get("service_tier")

    # -- items

    def _item_added(self, event: JSON) -> Chunks:
        item = event["item"]
        kind = item["type"]
        if kind == "message":
            self._item_ids[event["output_index"]] = item["id"]
            self._annotations = []
            self._phase = item.get("phase")
            phase = {"phase": self._phase} if self._phase is not None else {}
            return [TextStart(id=item["id"], provider_metadata=self.pm(itemId=item["id"], **phase))]
        if kind == "reasoning":
            return self._reasoning_added(event, item)
        return self._items.added(event, item)

    def _item_done(self, event: JSON) -> Chunks:
        item = event["item"]
        kind = item["type"]
        if kind == "message":
            return self._message_done(event, item)
        if kind == "reasoning":
            return self._reasoning_done(event, item)
        if kind == "compaction":
            fields = self.pm(
                type="compaction",
                itemId=item["id"],
                encryptedContent=item.get("encrypted_content"),
            )
            return [Custom(kind="openai.compaction", provider_metadata=fields)]
        chunks = self._items.done(event, item)
        if self._cites:
            return chunks
        return [one for one in chunks if not isinstance(one, SourceUrl | SourceDocument)]

    # -- text

    def _text_delta(self, event: JSON) -> Chunks:
        text = event["delta"]
        return [TextDelta(id=self._item_id(event), delta=text)] if text else []

    def _refusal_delta(self, event: JSON) -> Chunks:
        self._refused = True
        return self._text_delta(event)

    def _refusal_done(self, event: JSON) -> Chunks:
        self._refused = True
        return []

    def _annotation(self, event: JSON) -> Chunks:
        annotation = event["annotation"]
        self._annotations.append(annotation)
        if self._cites and annotation["type"] in {"url_citation", "file_citation"}:
            # What was retrieved may be told later; decide at the end.
            self._uncited.append(annotation)
            return []
        if annotation["type"] in _SOURCES:
            return [annotation_source(annotation, self._provider, self._items.source_id())]
        return []

    def _message_done(self, event: JSON, item: JSON) -> Chunks:
        item_id = self._item_id(event)
        phase = item.get("phase") or self._phase
        self._phase = None
        fields: dict[str, JSON] = {"itemId": item_id}
        if phase is not None:
            fields["phase"] = phase
        if self._annotations:
            fields["annotations"] = self._annotations
        cited = citations(self._annotations, self._provider) if self._cites else []
        self._item_ids.pop(event["output_index"], None)
        return [TextEnd(id=item_id, citations=cited or ABSENT, provider_metadata=self.pm(**fields))]

    # -- reasoning

    def _reasoning_added(self, event: JSON, item: JSON) -> Chunks:
        item_id = item["id"]
        encrypted = item.get("encrypted_content")
        self._item_ids[event["output_index"]] = item_id
        self._reasoning[item_id] = {0: "active"}
        self._encrypted[item_id] = encrypted
        fields = self.pm(itemId=item_id, reasoningEncryptedContent=encrypted)
        return [ReasoningStart(id=f"{item_id}:0", provider_metadata=fields)]

    def _summary_added(self, event: JSON) -> Chunks:
        item_id = self._item_id(event)
        parts = self._reasoning.get(item_id)
        index = event["summary_index"]
        if parts is None or index == 0:  # the first part began with the item
            return []
        chunks: Chunks = []
        for other, state in parts.items():
            if state == "done":
                parts[other] = "ended"
                end = self.pm(itemId=item_id)
                chunks.append(ReasoningEnd(id=f"{item_id}:{other}", provider_metadata=end))
        parts[index] = "active"
        encrypted = self._encrypted.get(item_id)
        start = self.pm(itemId=item_id, reasoningEncryptedContent=encrypted)
        return [*chunks, ReasoningStart(id=f"{item_id}:{index}", provider_metadata=start)]

    def _summary_delta(self, event: JSON) -> Chunks:
        item_id = self._item_id(event)
        part = f"{item_id}:{event['summary_index']}"
        fields = self.pm(itemId=item_id)
        return [ReasoningDelta(id=part, delta=event["delta"], provider_metadata=fields)]

    def _summary_done(self, event: JSON) -> Chunks:
        item_id = self._item_id(event)
        parts = self._reasoning.get(item_id)
        if parts is None:
            return []
        index = event["summary_index"]
        if not self._stores:  # the final encrypted content comes with the item: hold the end
            parts[index] = "done"
            return []
        parts[index] = "ended"
        part = f"{item_id}:{index}"
        return [ReasoningEnd(id=part, provider_metadata=self.pm(itemId=item_id))]

    def _reasoning_text_delta(self, event: JSON) -> Chunks:
        # Open-weight models show their reasoning itself; it goes into the item's first part.
        item_id = self._item_id(event)
        part = f"{item_id}:0"
        fields = self.pm(itemId=item_id)
        delta = ReasoningDelta(id=part, delta=event["delta"], provider_metadata=fields)
        if item_id in self._reasoning:
            return [delta]
        if self.is_open(ReasoningStart, part):
            return [delta]
        return [ReasoningStart(id=part, provider_metadata=fields), delta]

    def _reasoning_done(self, event: JSON, item: JSON) -> Chunks:
        item_id = self._item_id(event)
        parts = self._reasoning.pop(item_id, {})
        self._item_ids.pop(event["output_index"], None)
        encrypted = item.get("encrypted_content")
        fields = self.pm(itemId=item_id, reasoningEncryptedContent=encrypted)
        return [
            ReasoningEnd(id=f"{item_id}:{index}", provider_metadata=fields)
            for index, state in parts.items()
            if state != "ended"
        ]

    _HANDLERS: ClassVar[dict[str | None, Callable[[Any, JSON], Chunks]]] = {
        "response.output_text.delta": _text_delta,
        "response.created": _created,
        "response.completed": _finished,
        "response.incomplete": _finished,
        "response.failed": _failed,
        "error": _error,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.output_text.annotation.added": _annotation,
        "response.refusal.delta": _refusal_delta,
        "response.refusal.done": _refusal_done,
        "response.reasoning_summary_part.added": _summary_added,
        "response.reasoning_summary_part.done": _summary_done,
        "response.reasoning_summary_text.delta": _summary_delta,
        "response.reasoning_text.delta": _reasoning_text_delta,
    }
