"""Arguments of `litellm.acompletion`. Rule: pure; options of the provider pass as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from chat_transport_openai import chat_body

from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import PromptMessage, Reasoning, ToolResult, to_prompt

__all__ = ["completion_arguments"]

JSON: TypeAlias = Any  # any JSON value


def completion_arguments(
    messages: Sequence[UIMessage],
    *,
    model: str,
    tools: Sequence[ToolSpec | ProviderTool] = (),
    settings: ModelSettings | None = None,
) -> dict[str, JSON]:
    """Give the arguments, without `stream`.

    Raises:
        LocalProtocolError: If a message has no form in Chat Completions.
    """
    body = chat_body(
        messages,
        model=model,
        provider="litellm",
        compatible=True,
        reasoning_field=None,
        tools=tools,
        settings=settings,
    )
    turns = list(body["messages"])
    if settings is not None and settings.instructions is not None:
        turns = turns[1:]
    for turn, message in _assistant_turns(to_prompt(messages), turns):
        blocks = [_block(part) for part in turn.content if isinstance(part, Reasoning)]
        known = [block for block in blocks if block is not None]
        if known:
            message["thinking_blocks"] = known
    if settings is not None and settings.headers is not None:
        body["extra_headers"] = dict(settings.headers)
    if settings is not None and settings.timeout_s is not None:
        body["timeout"] = settings.timeout_s
    return body


def _assistant_turns(
    prompt: Sequence[PromptMessage], messages: Sequence[JSON]
) -> list[tuple[PromptMessage, JSON]]:
    """Pair each turn of the assistant with its message: a tool turn gives one for each result."""
    pairs: list[tuple[PromptMessage, JSON]] = []
    place = 0
    for turn in prompt:
        if turn.role == "assistant":
            pairs.append((turn, messages[place]))
        results = sum(isinstance(part, ToolResult) for part in turn.content)
        place += results if turn.role == "tool" else 1
    return pairs


def _block(part: Reasoning) -> JSON:
    own = part.options.get("litellm") or part.options.get("anthropic") or {}
    if own.get("signature") is not None:
        return {"type": "thinking", "thinking": part.text, "signature": own["signature"]}
    if own.get("redactedData") is not None:
        return {"type": "redacted_thinking", "data": own["redactedData"]}
    return None
