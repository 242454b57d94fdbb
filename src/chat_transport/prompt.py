"""Messages as our adapters are told them: `to_prompt` gives typed turns, checked and without noise.

Rule: pure. Built on `conversion`, which says what a model is told of each part; here its JSON is
read into types, and what no provider takes is left out or refused: an empty text of the assistant,
a turn that says nothing, a call without an answer. Each adapter writes its provider's form.
Source: AI SDK 7.0.173 `convertToLanguageModelPrompt`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ._media_types import known_media_type
from ._prompt_words import (
    ApprovalResponse,
    Custom,
    File,
    PromptContent,
    PromptMessage,
    Reasoning,
    ReasoningFile,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from .conversion import DENIED, ConvertDataPart, ConvertedMessage, convert_messages
from .errors import LocalProtocolError
from .messages import DynamicToolPart, FilePart, ToolPart, UIMessage, UIMessagePart

__all__ = [
    "ApprovalResponse",
    "Custom",
    "File",
    "PromptContent",
    "PromptMessage",
    "Reasoning",
    "ReasoningFile",
    "Text",
    "ToolCall",
    "ToolResult",
    "to_prompt",
]

JSON: TypeAlias = Any  # any JSON value

HEAD_CHARS = 32
"""Characters of base64 that tell what a file is: 24 bytes."""


def to_prompt(
    messages: Sequence[UIMessage],
    *,
    ignore_incomplete_tool_calls: bool = False,
    convert_data_part: ConvertDataPart | None = None,
) -> list[PromptMessage]:
    """Cut messages into turns.

    Args:
        messages: The conversation.
        ignore_incomplete_tool_calls: Leave out calls that have no answer, instead of failing.
        convert_data_part: What the model is told of a data part, as `convert_to_model_messages`
            takes it; None tells it nothing.

    Raises:
        LocalProtocolError: If a tool call has no answer, or a file's URL is not one. Names the
            message and the call or URL.
    """
    converted = convert_messages(
        messages,
        ignore_incomplete_tool_calls=ignore_incomplete_tool_calls,
        convert_data_part=convert_data_part,
        tools=None,
    )
    return _checked(_joined([_read(one) for one in converted]))


def _read(one: ConvertedMessage) -> PromptMessage:
    role, content = one.message["role"], one.message["content"]
    if role == "system":
        return _turn(role, [Text(text=content, options=_options(one.message))], one.message_id)
    read = [_content(item, part) for item, part in zip(content, one.parts, strict=True)]
    return _turn(role, [each for each in read if each is not None], one.message_id)


def _turn(role: Role, content: Sequence[PromptContent], message_id: str) -> PromptMessage:
    return PromptMessage(role=role, content=tuple(content), message_id=message_id)


def _content(item: JSON, part: UIMessagePart) -> PromptContent | None:
    """Read one item; None for what is not the model's business."""
    options = _options(item)
    match item["type"]:
        case "text":
            return Text(text=item["text"], options=options)
        case "file":
            return _file(item, part)
        case "reasoning":
            return Reasoning(text=item["text"], options=options)
        case "reasoning-file":
            url = item["data"]["url"]
            return ReasoningFile(media_type=item["mediaType"], url=url, options=options)
        case "custom":
            return Custom(kind=item["kind"], options=options)
        case "tool-call":
            return _call(item)
        case "tool-result":
            return _result(item, part)
        case "tool-approval-response" if item.get("providerExecuted"):
            return ApprovalResponse(
                approval_id=item["approvalId"], approved=item["approved"], reason=item.get("reason")
            )
        case _:  # approvals of our own tools: the model sees the result
            return None


def _options(item: JSON) -> Mapping[str, Mapping[str, JSON]]:
    return item.get("providerOptions") or {}


def _file(item: JSON, part: UIMessagePart) -> File:
    data = item["data"]
    # Beside a reference the JSON has no address; a provider that the reference is not for wants it.
    url = part.url if isinstance(part, FilePart) else data.get("url", "")
    return File(
        media_type=_media_type(item["mediaType"], url),
        url=url,
        filename=item.get("filename"),
        references=data.get("reference", {}),
        options=_options(item),
    )


def _media_type(said: str, url: str) -> str:
    """Find what a file is, where only its kind is said and the file is at hand."""
    if said.partition("/")[2] not in {"", "*"} or not url.startswith("data:"):
        return said
    head, _, body = url.partition(",")
    start = body[:HEAD_CHARS].encode("ascii", "replace")
    if not head.endswith(";base64"):
        return known_media_type(said, start)
    try:
        return known_media_type(said, base64.b64decode(start))
    except binascii.Error:  # an adapter that reads the file says so
        return said


def _call(item: JSON) -> ToolCall:
    return ToolCall(
        tool_call_id=item["toolCallId"],
        tool_name=item["toolName"],
        input=item.get("input", {}),  # lost with the call that failed
        provider_executed=item.get("providerExecuted") is True,
        options=_options(item),
    )


def _result(item: JSON, part: UIMessagePart) -> ToolResult | None:
    output = item["output"]
    denied = output["type"] == "execution-denied"
    if denied and isinstance(part, ToolPart | DynamicToolPart) and part.provider_executed:
        return None  # the provider hears the person's answer itself
    return ToolResult(
        tool_call_id=item["toolCallId"],
        tool_name=item["toolName"],
        kind="denied" if denied else output["type"],
        value=output.get("reason") or DENIED if denied else output["value"],
        options=_options(item),
    )


def _joined(turns: Sequence[PromptMessage]) -> list[PromptMessage]:
    """Join tool turns that follow each other; drop what says nothing."""
    joined: list[PromptMessage] = []
    for turn in turns:
        content = [
            part
            for part in turn.content
            if not (
                isinstance(part, Text)
                and not part.text
                and (turn.role == "user" or (turn.role == "assistant" and not part.options))
            )
        ]
        if turn.role in {"user", "tool"} and not content:
            continue
        if turn.role == "tool" and joined and joined[-1].role == "tool":
            before = joined.pop()
            joined.append(_turn("tool", [*before.content, *content], before.message_id))
        else:
            joined.append(_turn(turn.role, content, turn.message_id))
    return joined


def _checked(turns: list[PromptMessage]) -> list[PromptMessage]:
    open_calls: dict[str, str] = {}
    for turn in turns:
        if turn.role == "assistant":
            for part in turn.content:
                if isinstance(part, ToolCall) and not part.provider_executed:
                    open_calls[part.tool_call_id] = turn.message_id
        elif turn.role == "tool":
            for part in turn.content:
                if isinstance(part, ToolResult):
                    open_calls.pop(part.tool_call_id, None)
        else:
            _refuse(open_calls)
    _refuse(open_calls)
    return turns


def _refuse(open_calls: Mapping[str, str]) -> None:
    for call_id, message_id in open_calls.items():
        raise LocalProtocolError(
            f"tool call {call_id!r} of message {message_id!r} has no result; add its output, or "
            "pass ignore_incomplete_tool_calls=True"
        )
