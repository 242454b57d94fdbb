"""Ably: connection, client's end, agent's end and tokens. asyncio only, as ably-python is.

Names are loaded when they are first used: tokens can be made where `ably` is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._extras import lazy_names

if TYPE_CHECKING:
    from .agent import AblyAgent, Woken
    from .ai_transport import AiTransportWire
    from .app import AblyApp, create_app
    from .auth import AblyKey, Grant, TokenAsked, TokenEndpoint, make_token
    from .chat_session import ChatSession
    from .client import AblyChatTransport, Invocation
    from .policy import OwnerPolicy
    from .post import token_from
    from .supervisor import AblyConnection

__all__ = [
    "AblyAgent",
    "AblyApp",
    "AblyChatTransport",
    "AblyConnection",
    "AblyKey",
    "AiTransportWire",
    "ChatSession",
    "Grant",
    "Invocation",
    "OwnerPolicy",
    "TokenAsked",
    "TokenEndpoint",
    "Woken",
    "create_app",
    "make_token",
    "token_from",
]

_HOMES = {
    "AblyAgent": "agent",
    "AblyApp": "app",
    "AblyChatTransport": "client",
    "AblyConnection": "supervisor",
    "AblyKey": "auth",
    "AiTransportWire": "ai_transport",
    "ChatSession": "chat_session",
    "Grant": "auth",
    "Invocation": "client",
    "OwnerPolicy": "policy",
    "TokenAsked": "auth",
    "TokenEndpoint": "auth",
    "Woken": "agent",
    "create_app": "app",
    "make_token": "auth",
    "token_from": "post",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
