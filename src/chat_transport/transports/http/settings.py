"""What an application decides about its HTTP server, and the hooks that it may give.

Rule: every number has its unit in the name and an off value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ...agent.run import User
from ...agent.trust import TrustRules
from ...codecs.ui_request import RequestLimits
from .cors import CorsPolicy
from .exchange import IncomingRequest
from .websocket_rules import WebSocketRules

__all__ = [
    "Authenticate",
    "Authorize",
    "DisconnectPolicy",
    "HttpSettings",
    "Invocation",
    "OnInvocation",
    "ProfileChoice",
]

DisconnectPolicy: TypeAlias = Literal["continue", "stop"]
ProfileChoice: TypeAlias = Literal["auto", "v5", "v6", "v7"]
Authenticate: TypeAlias = Callable[[IncomingRequest], User | Awaitable[User | None] | None]
"""Gives who asks, from what can be verified (a token, a session); None refuses with 401."""
Authorize: TypeAlias = Callable[[User, str], bool | Awaitable[bool]]
"""Whether this user may use the chat of this id; False refuses with 403."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The wake-up call of Ably's JavaScript ChatTransport: the prompt itself is on the channel.

    Attributes:
        session_name: The channel that the caller names: a claim, check that the user may use it.
        input_event_id: The event that asks; the same id twice is the same wish.
        user: Who calls, as authenticated.
        body: The whole body, with the application's own fields.
    """

    session_name: str
    input_event_id: str
    user: User
    body: Mapping[str, Any]


OnInvocation: TypeAlias = Callable[[Invocation], Awaitable[Mapping[str, Any] | None]]
"""Wakes an agent and returns at once; the result is the answer's JSON body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """See `create_app`, which documents each of them."""

    path: str = "/api/chat"
    authenticate: Authenticate | None = None
    authorize: Authorize | None = None
    profile: ProfileChoice = "auto"
    on_disconnect: DisconnectPolicy = "continue"
    keep_alive_s: float | None = 15.0
    coalesce_s: float = 0.0
    store_timeout_s: float | None = 10.0
    limits: RequestLimits = field(default_factory=RequestLimits)
    cors: CorsPolicy | None = None
    websocket: WebSocketRules = field(default_factory=WebSocketRules)
    on_invocation: OnInvocation | None = None
    trust: TrustRules = field(default_factory=TrustRules)
