"""The body of a Chat Completions request, for OpenAI and for servers that speak its dialect.

Rule: pure; options of the provider are passed on as given.
Source: AI SDK 7.0.173 (@ai-sdk/openai 4.0.118, openai-compatible 3.0.92) and its request goldens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import (
    Custom,
    File,
    PromptMessage,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    to_prompt,
)
from chat_transport.step import to_json

from ._files import chat_file
from ._models import is_reasoning_model

__all__ = ["ReasoningField", "chat_body", "chat_messages"]

JSON: TypeAlias = Any  # any JSON value
ReasoningField: TypeAlias = Literal["reasoning_content", "reasoning"] | None


def chat_body(
    messages: Sequence[UIMessage],
    *,
    model: str,
    provider: str = "openai",
    compatible: bool = False,
    reasoning_field: ReasoningField = "reasoning_content",
    tools: Sequence[ToolSpec | ProviderTool] = (),
    settings: ModelSettings | None = None,
) -> dict[str, JSON]:
    """Give the body, without `stream`.

    Args:
        messages: The conversation.
        model: The model.
        provider: The key in `providerMetadata` and in `settings.provider_options`, whose fields
            go into the body as they are.
        compatible: The server is not OpenAI's.
        reasoning_field: How a compatible server is told the model's earlier reasoning; None tells
            nothing (DeepSeek refuses it on some models, and needs it in tool rounds on others).
        tools: The tools to declare.
        settings: Settings of the call.

    Raises:
        LocalProtocolError: If a message has no form in this API.
    """
    settings = settings or ModelSettings()
    turns = chat_messages(
        to_prompt(messages),
        provider=provider,
        system_role="developer" if not compatible and is_reasoning_model(model) else "system",
        compatible=compatible,
        reasoning_field=reasoning_field if compatible else None,
    )
    if settings.instructions is not None:
        role = "developer" if not compatible and is_reasoning_model(model) else "system"
        turns.insert(0, {"role": role, "content": settings.instructions})
    body: dict[str, JSON] = {"model": model, "messages": turns}
    body |= _settings(settings, is_reasoning=not compatible and is_reasoning_model(model))
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
    if settings.tool_choice is not None:
        choice = settings.tool_choice
        if choice not in {"auto", "none", "required"}:
            if all(tool.name != choice for tool in tools):
                raise LocalProtocolError(f"tool_choice names {choice!r}, not among the tools")
            body["tool_choice"] = {"type": "function", "function": {"name": choice}}
        else:
            body["tool_choice"] = choice
    return body | dict(settings.provider_options.get(provider, {}))


def _settings(settings: ModelSettings, *, is_reasoning: bool) -> dict[str, JSON]:
    limit = "max_completion_tokens" if is_reasoning else "max_tokens"
    fields = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        limit: settings.max_output_tokens,
        "stop": settings.stop_sequences and list(settings.stop_sequences),
        "seed": settings.seed,
        "reasoning_effort": settings.reasoning,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _tool(tool: ToolSpec | ProviderTool) -> dict[str, JSON]:
    if isinstance(tool, ProviderTool):
        return {"type": tool.id.rpartition(".")[2], **tool.args}
    function: dict[str, JSON] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = dict(tool.input_schema) or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def chat_messages(
    prompt: Sequence[PromptMessage],
    *,
    provider: str = "openai",
    system_role: str = "system",
    compatible: bool = False,
    reasoning_field: ReasoningField = None,
) -> list[JSON]:
    """Give the `messages` of a request.

    Raises:
        LocalProtocolError: If a file is of a kind that the API does not take.
    """
    messages: list[JSON] = []
    for turn in prompt:
        if turn.role == "system":
            messages.append({"role": system_role, "content": turn.text})
        elif turn.role == "user":
            content = _user(turn, provider, compatible=compatible)
            messages.append({"role": "user", "content": content})
        elif turn.role == "assistant":
            messages.append(_assistant(turn, provider, reasoning_field, compatible=compatible))
        else:
            messages += [
                {
                    "role": "tool",
                    "tool_call_id": part.tool_call_id,
                    "content": _output(part, compatible=compatible),
                }
                for part in turn.content
                if isinstance(part, ToolResult)
            ]
    return messages


def _user(turn: PromptMessage, provider: str, *, compatible: bool) -> JSON:
    if len(turn.content) == 1 and isinstance(turn.content[0], Text):
        return turn.content[0].text
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, Text)
        else chat_file(part, index, provider, turn.message_id, compatible=compatible)
        for index, part in enumerate(turn.content)
        if isinstance(part, Text | File)
    ]


def _assistant(
    turn: PromptMessage, provider: str, reasoning_field: ReasoningField, *, compatible: bool
) -> JSON:
    calls = [
        _call(part, provider, compatible=compatible)
        for part in turn.content
        if isinstance(part, ToolCall)
    ]
    message: dict[str, JSON] = {
        "role": "assistant",
        "content": turn.text or (None if calls else ""),
    }
    thoughts = [part for part in turn.content if isinstance(part, Reasoning)]
    reasoning = "".join(part.text for part in thoughts)
    if reasoning and reasoning_field is not None:
        message[reasoning_field] = reasoning
    details = [
        one
        for part in thoughts
        for one in part.options.get(provider, {}).get("reasoning_details", [])
    ]
    if details:
        message["reasoning_details"] = details
    for part in turn.content:
        if isinstance(part, File | Custom) and "audioId" in part.options.get(provider, {}):
            message["audio"] = {"id": part.options[provider]["audioId"]}
    if calls:
        message["tool_calls"] = calls
    return message


def _call(part: ToolCall, provider: str, *, compatible: bool) -> JSON:
    function = {
        "name": part.tool_name,
        "arguments": _arguments(part.input, compatible=compatible),
    }
    call: dict[str, JSON] = {"id": part.tool_call_id, "type": "function", "function": function}
    signature = part.options.get(provider, {}).get("thoughtSignature") or part.options.get(
        "google", {}
    ).get("thoughtSignature")
    if compatible and signature:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call


def _arguments(value: JSON, *, compatible: bool) -> str:
    if isinstance(value, str):
        try:
            parsed = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return to_json(value) if compatible else "{}"
        return value if compatible or isinstance(parsed, dict) else "{}"
    if compatible:
        return to_json(value)
    return to_json(value if isinstance(value, dict) else {})


def _output(part: ToolResult, *, compatible: bool) -> str:
    if part.is_error and not (compatible and part.kind == "error-text"):
        return to_json(part.value) if compatible else to_json({"error": part.value})
    return to_json(part.value) if part.kind == "json" else part.value
