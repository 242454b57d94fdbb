"""The body of a Messages request. Rule: pure; options of the provider are passed on as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import File, PromptMessage, to_prompt

from ._input import messages_input
from ._models import most_output_tokens
from ._sources import Document

__all__ = ["EFFORT_TOKENS", "cited_documents", "messages_body"]

JSON: TypeAlias = Any  # any JSON value

EFFORT_TOKENS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 24_576}
"""Tokens that a model may think for each effort."""


def messages_body(
    messages: Sequence[UIMessage],
    *,
    model: str,
    tools: Sequence[ToolSpec | ProviderTool] = (),
    settings: ModelSettings | None = None,
) -> tuple[dict[str, JSON], list[str]]:
    """Give the body, without `stream`, and the betas that it needs.

    `settings.provider_options["anthropic"]` holds fields of the body, such as `thinking`,
    `mcp_servers` or `container`; its `betas` join ours.

    Raises:
        LocalProtocolError: If a message or a setting has no form in this API.
    """
    settings = settings or ModelSettings()
    if settings.seed is not None:
        raise LocalProtocolError("Anthropic has no seed; leave it out")
    options = dict(settings.provider_options.get("anthropic", {}))
    system, turns, betas = messages_input(to_prompt(messages))
    if settings.instructions is not None:
        system.insert(0, {"type": "text", "text": settings.instructions})
    body: dict[str, JSON] = {
        "model": model,
        "max_tokens": settings.max_output_tokens or most_output_tokens(model),
    }
    if system:
        body["system"] = system
    body["messages"] = turns
    body |= _settings(settings, body["max_tokens"])
    if tools and settings.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in tools]
        if settings.tool_choice not in {None, "auto"}:
            body["tool_choice"] = _tool_choice(settings.tool_choice or "", tools)
    asked: list[str] = [*options.pop("betas", [])]
    return body | options, [*asked, *sorted(betas - set(asked))]


def _settings(settings: ModelSettings, limit: int) -> dict[str, JSON]:
    fields: dict[str, JSON] = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "stop_sequences": settings.stop_sequences and list(settings.stop_sequences),
    }
    if settings.reasoning is not None:
        if settings.reasoning not in EFFORT_TOKENS:
            known = ", ".join(EFFORT_TOKENS)
            raise LocalProtocolError(
                f"unknown reasoning effort {settings.reasoning!r}; use {known}, or `thinking` in "
                "provider_options['anthropic']"
            )
        budget = min(EFFORT_TOKENS[settings.reasoning], limit - 1)
        fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return {name: value for name, value in fields.items() if value is not None}


def _tool(tool: ToolSpec | ProviderTool) -> dict[str, JSON]:
    if isinstance(tool, ProviderTool):
        return {"type": tool.id.partition(".")[2] or tool.id, "name": tool.name, **tool.args}
    described = {"description": tool.description} if tool.description else {}
    schema = dict(tool.input_schema) or {"type": "object", "properties": {}}
    strict = {"strict": tool.strict} if tool.strict is not None else {}
    return {"name": tool.name, **described, "input_schema": schema, **strict}


def _tool_choice(choice: str, tools: Sequence[ToolSpec | ProviderTool]) -> dict[str, JSON]:
    if choice == "required":
        return {"type": "any"}
    if all(tool.name != choice for tool in tools):
        raise LocalProtocolError(f"tool_choice names {choice!r}, which is not among the tools")
    return {"type": "tool", "name": choice}


def cited_documents(prompt: Sequence[PromptMessage]) -> list[Document]:
    """Give the documents of a prompt that may be cited, in order."""
    return [
        Document(
            title=part.filename or "Untitled Document",
            media_type=part.media_type,
            filename=part.filename,
        )
        for turn in prompt
        if turn.role == "user"
        for part in turn.content
        if isinstance(part, File)
        and part.media_type in {"application/pdf", "text/plain"}
        and (part.options.get("anthropic", {}).get("citations") or {}).get("enabled")
    ]
