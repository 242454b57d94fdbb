"""`DemoModel`: the bundled model as a `ModelAdapter`. Rule: no key, no network, no randomness."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio

from chat_transport.chunks import ReasoningDelta, TextDelta, ToolInputDelta, UIMessageChunk
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

from ._events import answer, wanted_delay_s
from ._request import read_prompt

__all__ = ["DemoModel", "create"]

WORD_DELAY_S = 0.02
"""Seconds between two words: fast reading, slow enough to see the stream."""

_PACED = (TextDelta, ReasoningDelta, ToolInputDelta)


class DemoModel(ModelAdapter):
    """A model that answers the same prompt with the same chunks.

    Args:
        model: The name that it goes by.
        word_delay_s: Seconds before each delta; 0 streams without pause.
    """

    provider = "demo"

    def __init__(self, model: str = "demo", *, word_delay_s: float = WORD_DELAY_S) -> None:
        self.model = model
        self.word_delay_s = word_delay_s

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        """Answer the last user message, or report what its tool calls gave."""
        prompt = read_prompt(messages)
        callable_names = {tool.name for tool in tools if isinstance(tool, ToolSpec)}
        if settings is not None and settings.tool_choice == "none":
            callable_names = set()
        delay_s = self.word_delay_s
        if delay_s:  # 0 means that nobody watches: an asked pace would only slow the tests
            delay_s = wanted_delay_s(prompt.text) or delay_s
        for chunk in answer(prompt, callable_names):
            if isinstance(chunk, _PACED):
                await anyio.sleep(delay_s)
            yield chunk


def create(model_name: str) -> DemoModel:
    """Make the model that the command line names: `demo`, or `demo:fast` for no pauses."""
    if model_name not in {"", "demo", "fast"}:
        raise LocalProtocolError(
            f"unknown demo model {model_name!r}; use 'demo', or 'demo:fast' for no pauses"
        )
    return DemoModel(model_name or "demo", word_delay_s=0 if model_name == "fast" else WORD_DELAY_S)
