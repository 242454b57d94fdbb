"""Agents of the OpenAI Agents SDK for chat-transport."""

from __future__ import annotations

from ._bridge import OpenAIAgent

__all__ = ["OpenAIAgent"]
