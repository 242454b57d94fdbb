"""Pydantic AI's Vercel adapter, with a short way for the words.

Rule: a delta of text or thinking becomes our chunk at once, all else goes Pydantic AI's way; what a
client sees is the same. Imported only when a run begins: it imports the SDK.
Source: pydantic-ai 2.68 `VercelAIEventStream.handle_text_delta`, `handle_thinking_delta`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from typing import Any

from pydantic_ai.messages import PartDeltaEvent, TextPartDelta, ThinkingPartDelta
from pydantic_ai.ui.vercel_ai import VercelAIAdapter, VercelAIEventStream

from chat_transport.chunks import ABSENT, ReasoningDelta, TextDelta, UIMessageChunk

__all__ = ["TokenAdapter", "TokenStream"]


@dataclass
class TokenStream(VercelAIEventStream[Any, Any]):
    """Gives `TextDelta` and `ReasoningDelta` of ours among Pydantic AI's chunks."""

    async def handle_event(self, event: Any) -> AsyncIterator[Any]:
        """Say what an event means; Pydantic AI's way costs a token four times as much."""
        said = self._said(event.delta) if type(event) is PartDeltaEvent else None
        if said is not None:
            yield said
            return
        async for chunk in super().handle_event(event):
            yield chunk

    def _said(self, delta: Any) -> UIMessageChunk | None:
        if type(delta) is TextPartDelta:
            if delta.provider_details is None and delta.content_delta:
                told = _told(delta.provider_name)
                return TextDelta(
                    id=self.message_id, delta=delta.content_delta, provider_metadata=told
                )
        elif type(delta) is ThinkingPartDelta:
            is_plain = delta.provider_details is None and delta.signature_delta is None
            if is_plain and delta.content_delta:
                told = _told(delta.provider_name)
                return ReasoningDelta(
                    id=self.message_id, delta=delta.content_delta, provider_metadata=told
                )
        return None


def _told(provider_name: str | None) -> Any:
    return ABSENT if provider_name is None else {"pydantic_ai": {"provider_name": provider_name}}


class TokenAdapter(VercelAIAdapter[Any, Any]):
    """Builds a `TokenStream`."""

    def build_event_stream(self) -> TokenStream:
        """Build it with whatever this version of Pydantic AI gives its own."""
        built = super().build_event_stream()
        given = {field.name: getattr(built, field.name) for field in fields(built) if field.init}
        return TokenStream(**given)
