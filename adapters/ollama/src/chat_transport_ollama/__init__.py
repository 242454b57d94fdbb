"""Ollama for chat-transport."""

from __future__ import annotations

from ._adapter import Ollama, create
from ._events import OllamaDecoder
from ._request import chat_body

__all__ = ["Ollama", "OllamaDecoder", "chat_body", "create"]
