"""OpenAI for chat-transport: the Responses API, Chat Completions, and compatible servers."""

from __future__ import annotations

from ._adapter import ClientOptions, OpenAIChat, OpenAIResponses, create, create_chat
from ._background import Background
from ._chat_events import ChatDecoder
from ._chat_request import chat_body
from ._responses_events import ResponsesDecoder
from ._responses_request import responses_body

__all__ = [
    "Background",
    "ChatDecoder",
    "ClientOptions",
    "OpenAIChat",
    "OpenAIResponses",
    "ResponsesDecoder",
    "chat_body",
    "create",
    "create_chat",
    "responses_body",
]
