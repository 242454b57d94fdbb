"""The body of a Responses request. Rule: pure; options of the provider are passed on as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import to_prompt

from ._models import is_reasoning_model
from ._responses_input import ResponsesContext, responses_input

__all__ = ["responses_body"]

JSON: TypeAlias = Any  # any JSON value

LOCAL_TOOLS = frozenset({"local_shell", "shell", "apply_patch", "computer"})
"""Tools that OpenAI defines and the caller runs."""


REFERRING = frozenset({"azure", "openai"})
"""Providers whose servers keep items, so that a request may name them by id."""


def responses_body(
    messages: Sequence[UIMessage],
    *,
    model: str,
    provider: str = "openai",
    tools: Sequence[ToolSpec | ProviderTool] = (),
    settings: ModelSettings | None = None,
) -> dict[str, JSON]:
    """Give the body, without `stream`.

    `settings.provider_options[provider]` holds fields of the body: `store`,
    `previous_response_id`, `conversation`, `include`, `background`, ...

    Raises:
        LocalProtocolError: If a message or a setting has no form in this API.
    """
    settings = settings or ModelSettings()
    options = dict(settings.provider_options.get(provider, {}))
    refers = provider in REFERRING
    stores = refers and options.get("store") is not False
    own_tools = {_own_name(tool) for tool in tools if isinstance(tool, ProviderTool)}
    context = ResponsesContext(
        provider=provider,
        system_role="developer" if is_reasoning_model(model) else "system",
        stores=stores,
        refers=refers,
        in_conversation=options.get("conversation") is not None,
        continues=options.get("previous_response_id") is not None,
        local_tools=own_tools & LOCAL_TOOLS,
        custom_tools={tool.name for tool in tools if _is_custom(tool)},
    )
    items = responses_input(to_prompt(messages), context)
    if settings.instructions is not None:
        items.insert(0, {"role": context.system_role, "content": settings.instructions})
    body: dict[str, JSON] = {"model": model, "input": items, **_settings(settings)}
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
    if settings.tool_choice is not None:
        body["tool_choice"] = _tool_choice(settings.tool_choice, tools)
    if not stores and is_reasoning_model(model):
        include = options.get("include") or []
        wanted = "reasoning.encrypted_content"
        options["include"] = include if wanted in include else [*include, wanted]
    return body | options


def _settings(settings: ModelSettings) -> dict[str, JSON]:
    for name, given in (("stop_sequences", settings.stop_sequences), ("seed", settings.seed)):
        if given is not None:
            raise LocalProtocolError(
                f"the Responses API has no {name}; use Chat Completions or leave it out"
            )
    fields = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_output_tokens": settings.max_output_tokens,
        "reasoning": None if settings.reasoning is None else {"effort": settings.reasoning},
    }
    return {name: value for name, value in fields.items() if value is not None}


def _own_name(tool: ProviderTool) -> str:
    return tool.id.rpartition(".")[2]


def _is_custom(tool: ToolSpec | ProviderTool) -> bool:
    return isinstance(tool, ProviderTool) and _own_name(tool) == "custom"


def _tool(tool: ToolSpec | ProviderTool) -> dict[str, JSON]:
    if isinstance(tool, ProviderTool):
        named = {"name": tool.name} if _is_custom(tool) else {}
        return {"type": _own_name(tool), **named, **tool.args}
    spec: dict[str, JSON] = {"type": "function", "name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["parameters"] = dict(tool.input_schema) or {"type": "object", "properties": {}}
    # Absent would mean true in this API, which refuses most schemas that people write.
    spec["strict"] = bool(tool.strict)
    return spec


def _tool_choice(choice: str, tools: Sequence[ToolSpec | ProviderTool]) -> JSON:
    if choice in {"auto", "none", "required"}:
        return choice
    for tool in tools:
        if isinstance(tool, ProviderTool) and tool.name == choice and not _is_custom(tool):
            return {"type": _own_name(tool)}
        if tool.name == choice:
            return {"type": "custom" if _is_custom(tool) else "function", "name": choice}
    raise LocalProtocolError(f"tool_choice names {choice!r}, which is not among the tools")
