"""Anthropic's Messages API for chat-transport."""

from __future__ import annotations

from ._adapter import AnthropicMessages, create
from ._events import MessagesDecoder
from ._request import messages_body

__all__ = ["AnthropicMessages", "MessagesDecoder", "create", "messages_body"]
