"""HTTP and SSE: client, ASGI application, run log and chat store.

Names are loaded when they are first used: the client needs no server library, and the other way round.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import ChatApp, create_app
    from .chat_store import ChatStore, MemoryChatStore, StoredChat
    from .client import HttpChatTransport
    from .cors import CorsPolicy
    from .exchange import IncomingRequest
    from .redis_run_log import RedisRunLog
    from .reply_reader import ReconnectPolicy
    from .run_log import MemoryRunLog, RunLog
    from .settings import Authenticate, Authorize
    from .sqlite_chat_store import SqliteChatStore
    from .websocket import WebSocketChatTransport

__all__ = [
    "Authenticate",
    "Authorize",
    "ChatApp",
    "ChatStore",
    "CorsPolicy",
    "HttpChatTransport",
    "IncomingRequest",
    "MemoryChatStore",
    "MemoryRunLog",
    "ReconnectPolicy",
    "RedisRunLog",
    "RunLog",
    "SqliteChatStore",
    "StoredChat",
    "WebSocketChatTransport",
    "create_app",
]

_HOMES = {
    "Authenticate": "settings",
    "Authorize": "settings",
    "ChatApp": "app",
    "ChatStore": "chat_store",
    "CorsPolicy": "cors",
    "HttpChatTransport": "client",
    "IncomingRequest": "exchange",
    "MemoryChatStore": "chat_store",
    "MemoryRunLog": "run_log",
    "ReconnectPolicy": "reply_reader",
    "RedisRunLog": "redis_run_log",
    "RunLog": "run_log",
    "SqliteChatStore": "sqlite_chat_store",
    "StoredChat": "chat_store",
    "WebSocketChatTransport": "websocket",
    "create_app": "app",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
