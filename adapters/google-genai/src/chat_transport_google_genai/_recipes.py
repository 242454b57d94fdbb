"""How recorded streams are replayed; found by entry point. For tests only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from chat_transport.messages import UIMessage
from chat_transport.model import ToolSpec
from chat_transport.testing.replay import Recipe

from ._adapter import Gemini
from ._request import gemini_body

__all__ = ["recipe"]

JSON: TypeAlias = Any  # any JSON value


def _body(model: str) -> Callable[[Sequence[UIMessage]], JSON]:
    tools = [ToolSpec(name="get_weather")]
    return lambda messages: gemini_body(messages, model=model, tools=tools)


def recipe() -> Recipe:
    """Replay `gemini`."""
    return Recipe(
        content_type="text/event-stream",
        frame=lambda event: b"data: " + event.encode() + b"\r\n\r\n",
        adapter=lambda url, _recording: Gemini("gemini-3-pro", api_key="test", base_url=url),
        decoder=lambda _recording: Gemini("gemini-3-pro").decoder(),
        requests={"google": _body("gemini-3-pro"), "google-2.5": _body("gemini-2.5-pro")},
    )
