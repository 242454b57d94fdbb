"""Messages as any model is told them: `to_prompt` cuts them into turns that providers know.

Rule: pure. What only a person sees is left out: sources, step boundaries, data parts without a
converter. Each adapter turns a prompt into its provider's form.
Source: AI SDK 7.0.173 `convertToModelMessages` and `convertToLanguageModelPrompt`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from ._media_types import known_media_type
from ._prompt_words import (
    ApprovalResponse,
    Custom,
    File,
    Options,
    PromptContent,
    PromptMessage,
    Reasoning,
    ReasoningFile,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from .errors import LocalProtocolError
from .messages import (
    CustomPart,
    DataPart,
    DynamicToolPart,
    FilePart,
    ReasoningFilePart,
    ReasoningPart,
    SteeringMessagePart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
    UIMessagePart,
)

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

ConvertData: TypeAlias = Callable[[DataPart], TextPart | FilePart | None]

DENIED = "Tool call execution denied."
"""What a model is told when a person refuses a call and gives no reason."""

HEAD_CHARS = 32
"""Characters of base64 that tell what a file is: 24 bytes."""


def to_prompt(
    messages: Sequence[UIMessage],
    *,
    ignore_incomplete_tool_calls: bool = False,
    convert_data: ConvertData | None = None,
) -> list[PromptMessage]:
    """Cut messages into turns.

    Args:
        messages: The conversation.
        ignore_incomplete_tool_calls: Leave out calls that have no answer, instead of failing.
        convert_data: What the model is told of a data part; None tells it nothing.

    Raises:
        LocalProtocolError: If a tool call has no answer. Names the message and the call.
    """
    last_user = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    turns: list[PromptMessage] = []
    for index, message in enumerate(messages):
        parts = [
            part
            for part in message.parts
            if not _is_void(part, before=index < last_user, strict=ignore_incomplete_tool_calls)
        ]
        if message.role == "assistant":
            turns += _assistant_turns(message.id, parts, convert_data)
        elif message.role == "system":
            texts = [part for part in parts if isinstance(part, TextPart)]
            options = {k: v for part in texts for k, v in (part.provider_metadata or {}).items()}
            text = Text(text="".join(part.text for part in texts), options=options)
            turns.append(_turn("system", [text], message.id))
        else:
            turns.append(_turn("user", _user_content(parts, convert_data), message.id))
    return _checked(_joined(turns))


def _is_void(part: UIMessagePart, *, before: bool, strict: bool) -> bool:
    """Whether a tool call is left out: never written to its end, or overtaken by the user."""
    if not isinstance(part, ToolPart | DynamicToolPart):
        return False
    if part.state == "input-streaming" or (part.state == "approval-requested" and before):
        return True
    if not strict:
        return False
    if part.state == "output-available":
        return part.preliminary is True
    return part.state in {"input-available", "approval-requested"}


def _turn(
    role: Role,
    content: Sequence[PromptContent],
    message_id: str,
) -> PromptMessage:
    return PromptMessage(role=role, content=tuple(content), message_id=message_id)


def _user_content(
    parts: Iterable[UIMessagePart], convert_data: ConvertData | None
) -> list[PromptContent]:
    content: list[PromptContent] = []
    for part in parts:
        shown = convert_data(part) if convert_data and isinstance(part, DataPart) else part
        if isinstance(shown, TextPart | FilePart):
            content.append(_text_or_file(shown))
    return content


def _text_or_file(part: TextPart | FilePart) -> Text | File:
    options = part.provider_metadata or {}
    if isinstance(part, TextPart):
        return Text(text=part.text, options=options)
    return File(
        media_type=_media_type(part),
        url=part.url,
        filename=part.filename,
        references=part.provider_reference or {},
        options=options,
    )


def _media_type(part: FilePart) -> str:
    if part.media_type.partition("/")[2] not in {"", "*"} or not part.url.startswith("data:"):
        return part.media_type
    head, _, body = part.url.partition(",")
    start = body[:HEAD_CHARS].encode("ascii", "replace")
    if not head.endswith(";base64"):
        return known_media_type(part.media_type, start)
    try:
        return known_media_type(part.media_type, base64.b64decode(start))
    except binascii.Error:  # an adapter that reads the file says so
        return part.media_type


def _assistant_turns(
    message_id: str, parts: Sequence[UIMessagePart], convert_data: ConvertData | None
) -> list[PromptMessage]:
    turns: list[PromptMessage] = []
    block: list[UIMessagePart] = []

    def end_block() -> None:
        if block:
            said = [one for part in block for one in _assistant_content(part, convert_data)]
            answers = [one for part in block for one in _tool_content(part)]
            if said:
                turns.append(_turn("assistant", said, message_id))
            if answers:
                turns.append(_turn("tool", answers, message_id))
            block.clear()

    for part in parts:
        if isinstance(part, StepStartPart):
            end_block()
        elif isinstance(part, SteeringMessagePart):
            end_block()
            spoken = UIMessage.model_validate(
                {"id": part.id, "role": "user", "parts": part.parts}
            ).parts
            turns.append(_turn("user", _user_content(spoken, None), message_id))
        else:
            block.append(part)
    end_block()
    return turns


def _assistant_content(
    part: UIMessagePart, convert_data: ConvertData | None
) -> list[PromptContent]:
    if isinstance(part, TextPart | FilePart):
        return [_text_or_file(part)]
    if isinstance(part, ReasoningPart):
        return [Reasoning(text=part.text, options=part.provider_metadata or {})]
    if isinstance(part, ReasoningFilePart):
        options = part.provider_metadata or {}
        return [ReasoningFile(media_type=part.media_type, url=part.url, options=options)]
    if isinstance(part, CustomPart):
        return [Custom(kind=part.kind, options=part.provider_metadata or {})]
    if isinstance(part, ToolPart | DynamicToolPart):
        return _call_content(part)
    if isinstance(part, DataPart) and convert_data is not None:
        shown = convert_data(part)
        return [] if shown is None else [_text_or_file(shown)]
    return []


def _call_content(part: ToolPart | DynamicToolPart) -> list[PromptContent]:
    failed = part.state == "output-error"
    options = part.call_provider_metadata
    if options is None and failed:
        options = part.result_provider_metadata
    value = part.raw_input if failed and part.input is None else part.input
    call = ToolCall(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        input=value,
        provider_executed=part.provider_executed is True,
        options=options or {},
    )
    if part.provider_executed and part.state in {"output-available", "output-error"}:
        own = part.result_provider_metadata or part.call_provider_metadata or {}
        return [call, _result(part, error_kind="error-json", options=own)]
    return [call]


def _tool_content(part: UIMessagePart) -> list[PromptContent]:
    """What the turn after the call says of it."""
    if not isinstance(part, ToolPart | DynamicToolPart):
        return []
    approval = part.approval
    options = part.call_provider_metadata or {}
    content: list[PromptContent] = []
    if part.provider_executed:
        if approval is not None and approval.approved is not None:
            content.append(
                ApprovalResponse(
                    approval_id=approval.id, approved=approval.approved, reason=approval.reason
                )
            )
        return content
    reason = approval.reason if approval is not None else None
    if part.state == "approval-responded" and approval is not None and not approval.approved:
        content.append(_denied(part, "denied", reason or DENIED, options))
    elif part.state == "output-denied":
        content.append(_denied(part, "error-text", reason or DENIED, options))
    elif part.state in {"output-available", "output-error"}:
        content.append(_result(part, error_kind="error-text", options=options))
    return content


def _denied(
    part: ToolPart | DynamicToolPart,
    kind: Literal["denied", "error-text"],
    reason: str,
    options: Options,
) -> ToolResult:
    return ToolResult(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        kind=kind,
        value=reason,
        options=options,
    )


def _result(
    part: ToolPart | DynamicToolPart,
    *,
    error_kind: Literal["error-text", "error-json"],
    options: Options,
) -> ToolResult:
    failed = part.state == "output-error"
    kind = error_kind if failed else "text" if isinstance(part.output, str) else "json"
    return ToolResult(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        kind=kind,
        value=part.error_text if failed else part.output,
        options=options,
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
        if turn.role == "user" and not content:
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
