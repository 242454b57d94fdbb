"""Chat: what an application holds."""

from __future__ import annotations

from ._board import ChatStatus
from ._notices import Updates
from ._words import ChatFinish, ChatState, RequestOptions, SendPredicate, WhenBusy
from .chat import Chat, random_id
from .predicates import (
    last_assistant_message_is_complete_with_approval_responses,
    last_assistant_message_is_complete_with_tool_calls,
)

__all__ = [
    "Chat",
    "ChatFinish",
    "ChatState",
    "ChatStatus",
    "RequestOptions",
    "SendPredicate",
    "Updates",
    "WhenBusy",
    "last_assistant_message_is_complete_with_approval_responses",
    "last_assistant_message_is_complete_with_tool_calls",
    "random_id",
]
