"""The body of a `generateContent` request. Rule: pure; options of the provider pass as given.

Source: AI SDK 7.0.173 (@ai-sdk/google 4.0.121) and its request goldens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings, ProviderTool, ToolSpec
from chat_transport.prompt import (
    File,
    PromptMessage,
    Reasoning,
    ReasoningFile,
    Text,
    ToolCall,
    ToolResult,
    to_prompt,
)

__all__ = ["gemini_body"]

JSON: TypeAlias = Any  # any JSON value
Part: TypeAlias = dict[str, JSON]

SKIP_SIGNATURE = "skip_thought_signature_validator"
"""What Gemini 3 takes in place of a signature that no model gave (ai.google.dev, thoughts)."""

EFFORT_TOKENS = {"minimal": 512, "low": 2_048, "medium": 8_192, "high": 24_576}
"""Tokens that Gemini 2.5 may think for each effort."""

_GENERATION = re.compile(r"gemini-(\d+)")


def _generation(model: str) -> int:
    match = _GENERATION.search(model)
    return int(match[1]) if match else 0


def gemini_body(
    messages: Sequence[UIMessage],
    *,
    model: str,
    tools: Sequence[ToolSpec | ProviderTool] = (),
    settings: ModelSettings | None = None,
) -> dict[str, JSON]:
    """Give the body.

    `settings.provider_options["google"]` holds fields of the body, such as `safetySettings` or
    `cachedContent`; its `generationConfig` is joined with ours.

    Raises:
        LocalProtocolError: If a message or a setting has no form in this API.
    """
    settings = settings or ModelSettings()
    prompt = to_prompt(messages)
    instructions = [{"text": turn.text} for turn in prompt if turn.role == "system"]
    if settings.instructions is not None:
        instructions.insert(0, {"text": settings.instructions})
    contents = _contents(prompt, is_signed=_generation(model) >= 3)
    body: dict[str, JSON] = {"contents": contents}
    if instructions and "gemma" in model.lower():
        _prepend(contents, "\n\n".join(part["text"] for part in instructions))
    elif instructions:
        body["systemInstruction"] = {"parts": instructions}
    options = dict(settings.provider_options.get("google", {}))
    config = _config(settings, model) | dict(options.pop("generationConfig", {}))
    if config:
        body["generationConfig"] = config
    if tools:
        body["tools"] = _tools(tools)
        choice = _tool_choice(settings.tool_choice, tools, model)
        if choice is not None:
            body["toolConfig"] = {"functionCallingConfig": choice}
    return body | options


def _prepend(contents: list[JSON], text: str) -> None:
    # Gemma knows no system instruction.
    if contents and contents[0]["role"] == "user":
        contents[0]["parts"].insert(0, {"text": f"{text}\n\n"})


def _config(settings: ModelSettings, model: str) -> dict[str, JSON]:
    fields: dict[str, JSON] = {
        "temperature": settings.temperature,
        "topP": settings.top_p,
        "maxOutputTokens": settings.max_output_tokens,
        "stopSequences": settings.stop_sequences and list(settings.stop_sequences),
        "seed": settings.seed,
    }
    if settings.reasoning is not None:
        thinking: dict[str, JSON] = {"includeThoughts": True}
        if _generation(model) >= 3:
            thinking["thinkingLevel"] = settings.reasoning
        elif settings.reasoning in EFFORT_TOKENS:
            thinking["thinkingBudget"] = EFFORT_TOKENS[settings.reasoning]
        else:
            raise LocalProtocolError(
                f"unknown reasoning effort {settings.reasoning!r}; use {', '.join(EFFORT_TOKENS)}"
            )
        fields["thinkingConfig"] = thinking
    return {name: value for name, value in fields.items() if value is not None}


def _tools(tools: Sequence[ToolSpec | ProviderTool]) -> list[JSON]:
    declared = [_declaration(tool) for tool in tools if isinstance(tool, ToolSpec)]
    own = [_own_tool(tool) for tool in tools if isinstance(tool, ProviderTool)]
    return [*own, {"functionDeclarations": declared}] if declared else own


def _own_tool(tool: ProviderTool) -> dict[str, JSON]:
    first, *rest = tool.id.rpartition(".")[2].split("_")
    return {first + "".join(word.capitalize() for word in rest): dict(tool.args)}


def _declaration(tool: ToolSpec) -> dict[str, JSON]:
    described = {"name": tool.name, "description": tool.description}
    schema = dict(tool.input_schema)
    return described | ({"parametersJsonSchema": schema} if schema.get("properties") else {})


def _tool_choice(
    choice: str | None, tools: Sequence[ToolSpec | ProviderTool], model: str
) -> dict[str, JSON] | None:
    if choice is None:
        return {"mode": "AUTO"} if _generation(model) >= 3 else None
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    if choice in modes:
        return {"mode": modes[choice]}
    if all(tool.name != choice for tool in tools):
        raise LocalProtocolError(f"tool_choice names {choice!r}, which is not among the tools")
    return {"mode": "ANY", "allowedFunctionNames": [choice]}


def _contents(prompt: Sequence[PromptMessage], *, is_signed: bool) -> list[JSON]:
    contents: list[JSON] = []
    for turn in prompt:
        if turn.role == "system":
            if contents:
                raise LocalProtocolError(
                    f"system message {turn.message_id!r} stands behind others; Gemini takes "
                    "system messages at the beginning only"
                )
        elif turn.role == "assistant":
            parts = _model_parts(turn, is_signed=is_signed)
            contents.append({"role": "model", "parts": parts})
        else:
            parts = [part for one in turn.content for part in _user_part(one)]
            contents.append({"role": "user", "parts": parts})
    return contents


def _own(part: Any) -> Mapping[str, JSON]:
    own: Mapping[str, JSON] = part.options.get("google") or part.options.get("vertex") or {}
    return own


def _signed(part: Any) -> Part:
    signature = _own(part).get("thoughtSignature")
    return {} if signature is None else {"thoughtSignature": signature}


def _user_part(part: Any) -> list[Part]:
    if isinstance(part, Text):
        return [{"text": part.text}]
    if isinstance(part, File):
        video = _own(part).get("videoMetadata")
        return [_file(part) | ({"videoMetadata": video} if video is not None else {})]
    return [_function_response(part)] if isinstance(part, ToolResult) else []


def _file(part: File | ReasoningFile) -> Part:
    reference = part.references.get("google") if isinstance(part, File) else None
    if reference is not None:
        return {"fileData": {"mimeType": part.media_type, "fileUri": reference}}
    if not part.url.startswith("data:"):
        return {"fileData": {"mimeType": part.media_type, "fileUri": part.url}}
    file = (
        part
        if isinstance(part, File)
        else File(
            media_type=part.media_type, url=part.url, filename=None, references={}, options={}
        )
    )
    return {"inlineData": {"mimeType": part.media_type, "data": file.base64()}}


def _function_response(part: ToolResult) -> Part:
    failed = part.is_error or part.kind == "denied"
    response = {"name": part.tool_name, "error" if failed else "content": part.value}
    return {
        "functionResponse": {
            "id": part.tool_call_id,
            "name": part.tool_name,
            "response": response,
        }
    }


def _model_parts(turn: PromptMessage, *, is_signed: bool) -> list[Part]:
    parts: list[Part] = []
    has_signature = False
    for part in turn.content:
        if isinstance(part, ToolCall):
            parts.append(_call(part, needs_signature=is_signed, is_covered=has_signature))
            has_signature = has_signature or ("functionCall" in parts[-1] and bool(_signed(part)))
        elif isinstance(part, ToolResult):
            parts += _own_result(part)
        elif isinstance(part, Text | Reasoning):
            if part.text or _signed(part):
                thought = {"thought": True} if isinstance(part, Reasoning) else {}
                parts.append({"text": part.text, **thought, **_signed(part)})
        elif isinstance(part, File | ReasoningFile):
            if not part.url.startswith("data:") and not getattr(part, "references", None):
                raise LocalProtocolError(
                    f"unable to send file {part.url!r} of message {turn.message_id!r}; Gemini "
                    "takes files of its own turns inline only: use a data URL"
                )
            thought = {"thought": True} if isinstance(part, ReasoningFile) else {}
            parts.append({**_file(part), **thought, **_signed(part)})
    return parts


def _call(part: ToolCall, *, needs_signature: bool, is_covered: bool) -> Part:
    """Give a call; `is_covered` by the signature of an earlier call of the same response."""
    own = _own(part)
    unsigned = {"thoughtSignature": SKIP_SIGNATURE} if needs_signature else {}
    if part.provider_executed and part.tool_name == "code_execution":
        return {"executableCode": part.input, **_signed(part)}
    if own.get("serverToolCallId") and own.get("serverToolType"):
        call = {
            "toolType": own["serverToolType"],
            "args": _object(part.input),
            "id": own["serverToolCallId"],
        }
        return {"toolCall": call, **(_signed(part) or unsigned)}
    # The first function call of a response carries the signature of all.
    signed = _signed(part) or ({} if is_covered else unsigned)
    call = {"id": part.tool_call_id, "name": part.tool_name, "args": _object(part.input)}
    return {"functionCall": call, **signed}


def _object(value: JSON) -> JSON:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return {"rawInvalidInput": value}


def _own_result(part: ToolResult) -> list[Part]:
    own = _own(part)
    if part.tool_name == "code_execution" and part.kind == "json":
        return [{"codeExecutionResult": part.value}]
    if own.get("serverToolCallId") and own.get("serverToolType"):
        response = part.value if part.kind == "json" else {}
        call_id, kind = own["serverToolCallId"], own["serverToolType"]
        answer = {"toolType": kind, "response": response, "id": call_id}
        return [{"toolResponse": answer, **_signed(part)}]
    return []
