"""The wires without branches: each makes its two ends.

Rule: names are parameters with the defaults of Ably's guides; what a wire drops, it declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ....agent.trust import TrustRules
from ....codecs.ably.ai_sdk_reading import AiSdkConversation
from ....codecs.ably.ai_sdk_transport import AiSdkInputEncoder
from ....codecs.ably.prompts import PromptEncoder
from ....codecs.ably.response import ResponseEncoder, ResponseNames
from ....codecs.ably.response_reading import ResponseConversation
from ....codecs.ably.token import TokenConversation, TokenEncoder, TokenNames
from ....transport import Ask
from ..wire import Wire
from .agent import TurnsAgent
from .ai_sdk_agent import AiSdkAgent
from .client import AiSdkClient, PromptClient

__all__ = ["WIRES", "AiSdkTransportWire", "ResponseWire", "TokenWire"]

NewId: TypeAlias = Callable[[], str]
RESPONSE_REFUSES: Final[frozenset[Ask]] = frozenset(
    {"regenerate", "edit", "prompt-parts", "tool-output"}
)
"""What cannot be said by a prompt of text, or by a decision."""
TOKEN_REFUSES: Final[frozenset[Ask]] = frozenset(
    {"regenerate", "edit", "prompt-parts", "tool-output", "approval"}
)
"""What cannot be said by a prompt of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseWire:
    """Message per response, as in Ably's getting-started guide.

    Attributes:
        idle_s: For agents that say no end (`names.complete` is None): seconds without a word, once
            it has spoken, after which a client takes a reply as complete; None waits for ever. A
            reply that speaks again goes on. Replies of our agents are marked and never end so.
    """

    names: ResponseNames = field(default_factory=ResponseNames)
    idle_s: float | None = 30.0
    steers: bool = False
    branches: bool = False
    drops: frozenset[str] = ResponseConversation.drops
    refuses: frozenset[Ask] = RESPONSE_REFUSES

    def client(self, *, client_id: str | None, new_id: NewId) -> PromptClient:
        """Begin to read a chat as a client."""
        encoder = PromptEncoder(new_id=new_id, names=self.names.prompts)
        return PromptClient(
            ResponseConversation(self.names), encoder, refuses=self.refuses, idle_s=self.idle_s
        )

    def agent(self, *, client_id: str | None, new_id: NewId) -> TurnsAgent:
        """Begin to read a chat as an agent."""
        conversation = ResponseConversation(self.names)

        def speak(run_id: str, prompt_id: str) -> ResponseEncoder:
            continued = conversation.continued(run_id)
            return ResponseEncoder(prompt_id, names=self.names, continued=continued)

        return TurnsAgent(conversation, speak, names_replies=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWire:
    """Message per token."""

    names: TokenNames = field(default_factory=TokenNames)
    steers: bool = False
    branches: bool = False
    drops: frozenset[str] = TokenConversation.drops
    refuses: frozenset[Ask] = TOKEN_REFUSES

    def client(self, *, client_id: str | None, new_id: NewId) -> PromptClient:
        """Begin to read a chat as a client."""
        encoder = PromptEncoder(new_id=new_id, names=self.names.prompts)
        return PromptClient(TokenConversation(self.names), encoder, refuses=self.refuses)

    def agent(self, *, client_id: str | None, new_id: NewId) -> TurnsAgent:
        """Begin to read a chat as an agent."""
        return TurnsAgent(
            TokenConversation(self.names),
            lambda run_id, prompt_id: TokenEncoder(run_id, prompt_id=prompt_id, names=self.names),
            names_replies=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AiSdkTransportWire:
    """The wire of `ably-ai-sdk-transport`.

    Attributes:
        rules: How much of a client's word the agent takes.
    """

    rules: TrustRules = field(default_factory=TrustRules)
    steers: bool = False
    branches: bool = False
    drops: frozenset[str] = AiSdkConversation.drops
    refuses: frozenset[Ask] = frozenset()

    def client(self, *, client_id: str | None, new_id: NewId) -> AiSdkClient:
        """Begin to read a chat as a client."""
        return AiSdkClient(AiSdkConversation(), AiSdkInputEncoder(new_id=new_id))

    def agent(self, *, client_id: str | None, new_id: NewId) -> AiSdkAgent:
        """Begin to read a chat as an agent."""
        return AiSdkAgent(new_id, self.rules)


WIRES: Final[Mapping[str, Callable[[], Wire]]] = {
    "message-per-response": ResponseWire,
    "message-per-token": TokenWire,
    "ai-sdk-transport": AiSdkTransportWire,
}
"""Wires by the name that `wire=` takes."""
