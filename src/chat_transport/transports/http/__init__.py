"""HTTP and SSE: client, ASGI application, run log and chat store.

Names are loaded when they are first used: the client needs no server library, and vice versa.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._extras import lazy_names

if TYPE_CHECKING:
    from ...agent.trust import TrustRules
    from ...codecs.ui_request import PreparedRequest, RequestDraft, RequestLimits
    from .app import ChatApp, create_app
    from .chat_store import ChatStore, MemoryChatStore, StoredChat, with_message
    from .client import HttpChatTransport
    from .cors import CorsPolicy
    from .exchange import IncomingRequest
    from .redis_run_log import RedisRunLog
    from .reply_reader import ReconnectPolicy
    from .run_log import LoggedRun, MemoryRunLog, RunLog
    from .settings import Authenticate, Authorize, Invocation
    from .sqlite_chat_store import SqliteChatStore
    from .websocket import WebSocketChatTransport
    from .websocket_rules import WebSocketRules

__all__ = [
    "Authenticate",
    "Authorize",
    "ChatApp",
    "ChatStore",
    "CorsPolicy",
    "HttpChatTransport",
    "IncomingRequest",
    "Invocation",
    "LoggedRun",
    "MemoryChatStore",
    "MemoryRunLog",
    "PreparedRequest",
    "ReconnectPolicy",
    "RedisRunLog",
    "RequestDraft",
    "RequestLimits",
    "RunLog",
    "SqliteChatStore",
    "StoredChat",
    "TrustRules",
    "WebSocketChatTransport",
    "WebSocketRules",
    "create_app",
    "with_message",
]

_HOMES = {
    "Authenticate": "settings",
    "Authorize": "settings",
    "ChatApp": "app",
    "ChatStore": "chat_store",
    "CorsPolicy": "cors",
    "HttpChatTransport": "client",
    "IncomingRequest": "exchange",
    "Invocation": "settings",
    "LoggedRun": "run_log",
    "MemoryChatStore": "chat_store",
    "MemoryRunLog": "run_log",
    "PreparedRequest": "..codecs.ui_request",
    "ReconnectPolicy": "reply_reader",
    "RedisRunLog": "redis_run_log",
    "RequestDraft": "..codecs.ui_request",
    "RequestLimits": "..codecs.ui_request",
    "RunLog": "run_log",
    "SqliteChatStore": "sqlite_chat_store",
    "StoredChat": "chat_store",
    "TrustRules": "..agent.trust",
    "WebSocketChatTransport": "websocket",
    "WebSocketRules": "websocket_rules",
    "create_app": "app",
    "with_message": "chat_store",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
