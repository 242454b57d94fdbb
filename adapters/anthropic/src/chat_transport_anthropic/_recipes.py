"""How recorded streams are replayed; found by entry point. For tests only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from chat_transport.messages import UIMessage
from chat_transport.model import ProviderTool, ToolSpec
from chat_transport.testing.replay import Recipe, Recording

from ._adapter import AnthropicMessages
from ._request import messages_body

__all__ = ["recipe"]

JSON: TypeAlias = Any  # any JSON value
MODEL = "claude-sonnet-5"
GOLDEN_MODEL = "claude-sonnet-4-5"


def _frame(event: str) -> bytes:
    return f"event: {json.loads(event)['type']}\ndata: {event}\n\n".encode()


def _tools(recording: Recording) -> Sequence[ToolSpec | ProviderTool]:
    for name in ("web_fetch", "web_search"):
        if f"{name.replace('_', '-')}-tool-20260209" in recording.name:
            return [ProviderTool(id=f"anthropic.{name}_20260209", name=name)]
    return []


def _body(messages: Sequence[UIMessage]) -> JSON:
    return messages_body(messages, model=GOLDEN_MODEL)[0]


def recipe() -> Recipe:
    """Replay `anthropic`."""
    return Recipe(
        content_type="text/event-stream",
        frame=_frame,
        adapter=lambda url, _recording: AnthropicMessages(
            MODEL, api_key="test", base_url=url, max_retries=0, continues=False
        ),
        compat=lambda url, _recording: AnthropicMessages(
            MODEL,
            api_key="test",
            base_url=url,
            max_retries=0,
            continues=False,
            compat="ai-sdk",
        ),
        decoder=lambda recording: AnthropicMessages(MODEL).decoder(_tools(recording)),
        tools=_tools,
        requests={"anthropic": _body},
    )
