"""How recorded streams are replayed; found by entry point. For tests only."""

from __future__ import annotations

from chat_transport.testing.replay import Recipe

from ._adapter import Ollama

__all__ = ["recipe"]


def recipe() -> Recipe:
    """Replay `ollama`."""
    return Recipe(
        content_type="application/x-ndjson",
        frame=lambda event: event.encode() + b"\n",
        adapter=lambda url, _recording: Ollama("llama3", host=url),
        decoder=lambda _recording: Ollama("llama3").decoder(),
    )
