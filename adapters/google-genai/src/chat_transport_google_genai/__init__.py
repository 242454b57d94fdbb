"""Gemini for chat-transport."""

from __future__ import annotations

from ._adapter import Gemini, create
from ._events import GeminiDecoder
from ._request import gemini_body

__all__ = ["Gemini", "GeminiDecoder", "create", "gemini_body"]
