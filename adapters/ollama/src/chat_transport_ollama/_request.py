"""The body of an `/api/chat` request. Rule: pure; options of the provider pass as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import (
    File,
    PromptMessage,
    Reasoning,
    ToolCall,
    ToolResult,
    to_prompt,
)
from chat_transport.step import to_json

__all__ = ["chat_body"]

JSON: TypeAlias = Any  # any JSON value


def chat_body(
    messages: Sequence[UIMessage],
    *,
    model: str,
    tools: Sequence[ToolSpec | ProviderTool] = (),
    settings: ModelSettings | None = None,
) -> dict[str, JSON]:
    """Give the body.

    `settings.provider_options["ollama"]` holds fields of the body, such as `think`, `keep_alive`
    or `format`; its `options` are joined with ours.

    Raises:
        LocalProtocolError: If a message, tool or setting has no form in this API.
    """
    settings = settings or ModelSettings()
    turns = [turn for one in to_prompt(messages) for turn in _turns(one)]
    if settings.instructions is not None:
        turns.insert(0, {"role": "system", "content": settings.instructions})
    body: dict[str, JSON] = {"model": model, "messages": turns, "stream": True}
    if tools and settings.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in tools]
    if settings.tool_choice not in {None, "auto", "none"}:
        raise LocalProtocolError("Ollama cannot be made to call a tool; leave out tool_choice")
    if settings.reasoning is not None:
        body["think"] = "low" if settings.reasoning == "minimal" else settings.reasoning
    own = dict(settings.provider_options.get("ollama", {}))
    options = _options(settings) | dict(own.pop("options", {}))
    if options:
        body["options"] = options
    return body | own


def _options(settings: ModelSettings) -> dict[str, JSON]:
    fields = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "num_predict": settings.max_output_tokens,
        "stop": settings.stop_sequences and list(settings.stop_sequences),
        "seed": settings.seed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _tool(tool: ToolSpec | ProviderTool) -> JSON:
    if isinstance(tool, ProviderTool):
        raise LocalProtocolError(f"Ollama runs no tools itself; leave out {tool.id!r}")
    schema = dict(tool.input_schema) or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description, "parameters": schema}
    return {"type": "function", "function": function}


def _turns(turn: PromptMessage) -> list[JSON]:
    if turn.role == "tool":
        return [
            {"role": "tool", "content": _output(part), "tool_name": part.tool_name}
            for part in turn.content
            if isinstance(part, ToolResult)
        ]
    texts, images = [turn.text] if turn.text else [], list[str]()
    if turn.role == "user":
        for part in turn.content:
            if isinstance(part, File):
                _add_file(part, turn.message_id, texts, images)
    message: dict[str, JSON] = {"role": turn.role, "content": "\n\n".join(texts)}
    if images:
        message["images"] = images
    thinking = "".join(part.text for part in turn.content if isinstance(part, Reasoning))
    if thinking:
        message["thinking"] = thinking
    calls = [
        {"function": {"name": part.tool_name, "arguments": _object(part.input)}}
        for part in turn.content
        if isinstance(part, ToolCall) and not part.provider_executed
    ]
    if calls:
        message["tool_calls"] = calls
    return [message]


def _add_file(file: File, message_id: str, texts: list[str], images: list[str]) -> None:
    if file.is_inline and file.kind == "image":
        images.append(file.base64())
    elif file.is_inline and file.kind == "text":
        texts.append(file.data().decode("utf-8", "replace"))
    else:
        raise LocalProtocolError(
            f"unable to send file {file.filename or ''!r} ({file.media_type}) of message "
            f"{message_id!r}; Ollama takes images and text as data URLs only"
        )


def _object(value: JSON) -> JSON:
    if isinstance(value, dict):
        return value
    try:
        parsed = msgspec.json.decode(value)
    except (msgspec.DecodeError, TypeError):
        return {"rawInvalidInput": value}
    return parsed if isinstance(parsed, dict) else {"rawInvalidInput": value}


def _output(part: ToolResult) -> str:
    if part.is_error:
        return to_json({"error": part.value})
    return to_json(part.value) if part.kind == "json" else str(part.value)
