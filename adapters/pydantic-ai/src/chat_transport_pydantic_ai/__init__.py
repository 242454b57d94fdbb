"""Pydantic AI agents for chat-transport."""

from __future__ import annotations

from ._bridge import pydantic_ai_handler

__all__ = ["pydantic_ai_handler"]
