"""Chat: what an application holds."""

from __future__ import annotations

from ._board import ChatStatus
from ._notices import Updates
from ._view import ChatView, random_id
from ._words import ChatFinish, ChatState, RequestOptions, SendPredicate, WhenBusy
from .chat import Chat
from .sync import SyncChat

__all__ = [
    "Chat",
    "ChatFinish",
    "ChatState",
    "ChatStatus",
    "ChatView",
    "RequestOptions",
    "SendPredicate",
    "SyncChat",
    "Updates",
    "WhenBusy",
    "random_id",
]
