"""LangChain and LangGraph for chat-transport."""

from __future__ import annotations

from ._bridge import LangChainHandler
from ._events import LangChainEvents
from ._request import langchain_messages

__all__ = ["LangChainEvents", "LangChainHandler", "langchain_messages"]
