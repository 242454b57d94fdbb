"""`ModelAdapter`: what a provider plug-in implements.

Rule: an adapter turns messages into one model call and its events into chunks; it owns no run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .chunks import UIMessageChunk
from .messages import UIMessage

__all__ = ["ModelAdapter", "ModelSettings", "ProviderTool", "ToolSpec"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A function that the model may call; the agent's tool loop runs it.

    Attributes:
        name: As the model sees it.
        description: What it does, for the model.
        input_schema: JSON schema of the input object.
        strict: Ask the provider to hold the schema strictly; None leaves the provider's default.
        dynamic: Known only at run time; chunks then carry `dynamic: true`.
    """

    name: str
    description: str = ""
    input_schema: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    strict: bool | None = None
    dynamic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTool:
    """A tool that the provider runs itself.

    Attributes:
        id: `provider.tool`, such as `openai.web_search`.
        name: The name that chunks carry.
        args: The provider's settings of the tool.
    """

    id: str
    name: str
    args: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Settings of one model call; None leaves the provider's default."""

    instructions: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop_sequences: Sequence[str] | None = None
    seed: int | None = None
    tool_choice: Literal["auto", "none", "required"] | str | None = None
    """`auto`, `none`, `required`, or the name of the tool that must be called."""
    reasoning: Literal["minimal", "low", "medium", "high"] | str | None = None
    """Effort, where the model reasons."""
    headers: Mapping[str, str] | None = None
    timeout_s: float | None = None
    """Seconds of silence, connecting or between two pieces of the answer, after which the SDK gives
    the call up; None leaves the SDK's default."""
    provider_options: Mapping[str, Mapping[str, JSON]] = field(
        default_factory=dict[str, Mapping[str, JSON]]
    )
    """Provider name -> fields passed through to its request."""


class ModelAdapter(ABC):
    """A model of a provider. Made with the provider's client or settings; opens nothing itself."""

    provider: str = ""
    """The provider's name in `providerMetadata`, such as `openai`."""
    model: str = ""
    """The model's name at the provider."""

    async def aclose(self) -> None:  # noqa: B027  # most adapters have nothing to release
        """Release what the adapter made itself; a client that was handed in stays open."""

    @abstractmethod
    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        """Call the model once and give its reply as chunks: one step.

        Gives `start-step` ... `finish-step` around the step's parts, then `finish` with the
        reason and, in `message_metadata`, the usage. It gives no `start`: the run does that.
        A failure before any output is one `error` chunk with the provider's words, and nothing
        else. A failure in mid-stream is an `error` chunk, then the ends of what is open,
        `finish-step`, and `finish` with reason `error`. A stream that ends without the provider's
        terminal event finishes as `interrupted`.

        Closing the iterator (`aclosing`) closes the provider's connection at once.

        Raises:
            LocalProtocolError: If a message cannot be put in this provider's form; names the
                message, the part and the remedy. Nothing was sent.
        """
