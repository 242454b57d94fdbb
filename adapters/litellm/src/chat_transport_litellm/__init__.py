"""LiteLLM for chat-transport."""

from __future__ import annotations

from ._adapter import LiteLLM, create
from ._events import LiteLLMDecoder
from ._request import completion_arguments

__all__ = ["LiteLLM", "LiteLLMDecoder", "completion_arguments", "create"]
