"""The wire of @ably/ai-transport 0.8: makes its two ends.

Rule: the codec folds and encodes; here its words become those of the shell, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ....codecs.ably.ai_transport.prompt import PromptPolicy
from ....transport import Ask
from .agent import AiTransportAgent
from .client import AiTransportClient

__all__ = ["AiTransportWire"]

NewId: TypeAlias = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AiTransportWire:
    """The wire of @ably/ai-transport 0.8.

    Attributes:
        prompt_policy: Whether runs that were stopped or failed are shown to the model.
        implicit_steps: Bracket each reply in a step, as the JavaScript agent does; readers do not
            need it, and it costs a round trip.
        forks_results: Give results of a client's tools as the JavaScript client does: in a copy of
            the run that takes its place, so that answers of two devices stand side by side. Else
            they are given to the run that waits; a run that has ended is always copied.
    """

    prompt_policy: PromptPolicy = "include_partial"
    implicit_steps: bool = False
    forks_results: bool = False
    steers: bool = True
    branches: bool = True
    drops: frozenset[str] = frozenset()
    refuses: frozenset[Ask] = frozenset()

    def client(self, *, client_id: str | None, new_id: NewId) -> AiTransportClient:
        """Begin to read a chat as a client."""
        return AiTransportClient(
            client_id=client_id, new_id=new_id, forks_results=self.forks_results
        )

    def agent(self, *, client_id: str | None, new_id: NewId) -> AiTransportAgent:
        """Begin to read a chat as an agent."""
        return AiTransportAgent(
            new_id, prompt_policy=self.prompt_policy, implicit_steps=self.implicit_steps
        )
