"""UI messages to model messages: what an application shows, as what a model is asked.

Rule: one assistant message and one tool message for each step; what a person has not allowed and
what was cut off is never presented as done. Model messages are the JSON objects of the AI SDK;
`prompt` reads the same ones for our adapters.
Source: AI SDK 7.0.173 `convertToModelMessages`, pinned by the vectors of group `convert`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ._web_url import normal_url
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
    "DENIED",
    "ConvertDataPart",
    "ConvertedMessage",
    "ModelMessage",
    "ToModelOutput",
    "convert_messages",
    "convert_to_model_messages",
]

JSON: TypeAlias = Any  # any JSON value
ModelMessage: TypeAlias = dict[str, JSON]
"""`{"role": ..., "content": ...}` in the words of the AI SDK."""
ConvertDataPart: TypeAlias = Callable[[DataPart], dict[str, JSON] | None]
"""Gives the text or file part that stands for a data part, or None to leave it out."""
ToModelOutput: TypeAlias = Callable[[JSON], dict[str, JSON]]
"""Gives what the model sees of a tool's output, such as `{"type": "text", "value": ...}`."""

_AnyToolPart: TypeAlias = ToolPart | DynamicToolPart
_FINISHED = frozenset({"approval-responded", "output-error", "output-denied"})
_OMITTED = "Tool output omitted because the tool is no longer available."
DENIED = "Tool call execution denied."
"""What a model is told when a person refuses a call and gives no reason."""


def convert_to_model_messages(
    messages: Sequence[UIMessage],
    *,
    ignore_incomplete_tool_calls: bool = False,
    convert_data_part: ConvertDataPart | None = None,
    tools: Mapping[str, ToModelOutput | None] | None = None,
) -> list[ModelMessage]:
    """Give the conversation as a model is asked it.

    Args:
        messages: The conversation.
        ignore_incomplete_tool_calls: Leave out calls that have no result: providers refuse a call
            without one, as a stopped reply leaves behind.
        convert_data_part: Gives the part that stands for a data part; None leaves all out.
        tools: Name of a tool that is still there -> how its output is told, None for as it is.

    Raises:
        LocalProtocolError: If a file's URL is not one; names the message.
    """
    converted = convert_messages(
        messages,
        ignore_incomplete_tool_calls=ignore_incomplete_tool_calls,
        convert_data_part=convert_data_part,
        tools=tools or {},
    )
    return [one.message for one in converted]


class ConvertedMessage(NamedTuple):
    """One model message and where it comes from.

    Attributes:
        message_id: The UI message.
        parts: The part that each item of the content tells; none for a system message, whose
            content is text.
    """

    message: ModelMessage
    message_id: str
    parts: Sequence[UIMessagePart]


def convert_messages(
    messages: Sequence[UIMessage],
    *,
    ignore_incomplete_tool_calls: bool,
    convert_data_part: ConvertDataPart | None,
    tools: Mapping[str, ToModelOutput | None] | None,
) -> list[ConvertedMessage]:
    """Do what `convert_to_model_messages` does, and tell where each piece comes from.

    Args:
        messages: See there, as for the others.
        ignore_incomplete_tool_calls: See there.
        convert_data_part: See there.
        tools: See there; but None judges no tool as gone, and tells every output as it is.

    Raises:
        LocalProtocolError: See there.
    """
    conversion = _Conversion(convert_data_part, tools)
    for message in _without_open_calls(messages, drop_incomplete=ignore_incomplete_tool_calls):
        conversion.add(message)
    return conversion.result


def _without_open_calls(messages: Sequence[UIMessage], *, drop_incomplete: bool) -> list[UIMessage]:
    last_user = max((at for at, item in enumerate(messages) if item.role == "user"), default=-1)
    kept: list[UIMessage] = []
    for at, message in enumerate(messages):
        parts = [
            part
            for part in message.parts
            if not isinstance(part, _AnyToolPart)
            or not (
                (part.state == "approval-requested" and at < last_user)
                or (drop_incomplete and not _is_complete(part))
            )
        ]
        same = len(parts) == len(message.parts)
        kept.append(message if same else message.model_copy(update={"parts": parts}))
    return kept


def _is_complete(part: _AnyToolPart) -> bool:
    return part.state in _FINISHED or (part.state == "output-available" and not part.preliminary)


class _Conversion:
    """The model messages so far."""

    def __init__(
        self,
        convert_data_part: ConvertDataPart | None,
        tools: Mapping[str, ToModelOutput | None] | None,
    ) -> None:
        self.result: list[ConvertedMessage] = []
        self._convert_data_part = convert_data_part
        self._tools = tools

    def add(self, message: UIMessage) -> None:
        try:
            if message.role == "system":
                self.result.append(ConvertedMessage(_system(message), message.id, ()))
            elif message.role == "user":
                said = [(item, part) for part in message.parts for item in self._said(part)]
                self._append("user", message.id, said)
            else:
                self._add_assistant(message)
        except ValueError as error:
            raise LocalProtocolError(
                f"unable to convert message {message.id!r}; {error}"
            ) from error

    def _add_assistant(self, message: UIMessage) -> None:
        block: list[UIMessagePart] = []
        for part in message.parts:
            if isinstance(part, StepStartPart | SteeringMessagePart):
                self._add_block(block, message.id)
                block = []
                if isinstance(part, SteeringMessagePart):
                    self._add_steering(part)
            else:
                block.append(part)
        self._add_block(block, message.id)

    def _add_steering(self, part: SteeringMessagePart) -> None:
        said = UIMessage.model_validate({"id": part.id, "role": "user", "parts": part.parts})
        self.add(said)

    def _add_block(self, block: list[UIMessagePart], message_id: str) -> None:
        answer = [(item, part) for part in block for item in self._answered(part)]
        if answer:
            self._append("assistant", message_id, answer)
        results = [
            (item, part)
            for part in block
            if isinstance(part, _AnyToolPart)
            for item in self._result(part)
        ]
        if results:
            self._append("tool", message_id, results)

    def _append(
        self, role: str, message_id: str, content: Sequence[tuple[dict[str, JSON], UIMessagePart]]
    ) -> None:
        message = {"role": role, "content": [item for item, _ in content]}
        self.result.append(ConvertedMessage(message, message_id, [part for _, part in content]))

    def _said(self, part: UIMessagePart) -> list[dict[str, JSON]]:
        """Give the content of a user's part."""
        if isinstance(part, TextPart):
            return [{"type": "text", "text": part.text, **_options(part.provider_metadata)}]
        if isinstance(part, FilePart):
            return [_file(part)]
        if isinstance(part, DataPart) and self._convert_data_part is not None:
            converted = self._convert_data_part(part)
            return [] if converted is None else [converted]
        return []

    def _answered(self, part: UIMessagePart) -> list[dict[str, JSON]]:
        """Give the content of an assistant's part."""
        if isinstance(part, ReasoningPart):
            return [{"type": "reasoning", "text": part.text, **_options(part.provider_metadata)}]
        if isinstance(part, ReasoningFilePart):
            data = {"type": "url", "url": _checked_url(part.url)}
            item = {"type": "reasoning-file", "mediaType": part.media_type, "data": data}
            return [{**item, **_options(part.provider_metadata)}]
        if isinstance(part, CustomPart):
            return [{"type": "custom", "kind": part.kind, **_options(part.provider_metadata)}]
        if isinstance(part, _AnyToolPart):
            return self._call(part) if part.state != "input-streaming" else []
        return self._said(part)

    def _call(self, part: _AnyToolPart) -> list[dict[str, JSON]]:
        call: dict[str, JSON] = {
            "type": "tool-call", "toolCallId": part.tool_call_id, "toolName": part.tool_name,
        }  # fmt: skip
        metadata = part.call_provider_metadata
        if part.state == "output-error":
            metadata = _first(metadata, part.result_provider_metadata)
            if part.input is not None or "raw_input" in part.model_fields_set:
                call["input"] = part.raw_input if part.input is None else part.input
        elif "input" in part.model_fields_set:
            call["input"] = part.input
        if part.provider_executed is not None:
            call["providerExecuted"] = part.provider_executed
        content = [{**call, **_options(metadata)}]
        if part.approval is not None:
            content.append(_approval_request(part))
        if part.provider_executed and part.state in {"output-available", "output-error"}:
            metadata = _first(part.result_provider_metadata, part.call_provider_metadata)
            output = self._output(part, error_type="error-json")
            content.append({**_tool_result(part, output), **_options(metadata)})
        return content

    def _result(self, part: _AnyToolPart) -> list[dict[str, JSON]]:
        """Give what the tool message says of a call."""
        content: list[dict[str, JSON]] = []
        approval = part.approval
        options = _options(part.call_provider_metadata)
        if approval is not None and approval.approved is not None:
            content.append(_approval_response(part))
            if part.state == "approval-responded" and not approval.approved:
                denied: dict[str, JSON] = {"type": "execution-denied"}
                if approval.reason is not None:
                    denied["reason"] = approval.reason
                content.append({**_tool_result(part, denied), **options})
        if part.provider_executed:
            return content
        if part.state == "output-denied":
            reason = None if approval is None else approval.reason
            output = {"type": "error-text", "value": DENIED if reason is None else reason}
            content.append({**_tool_result(part, output), **options})
        elif part.state in {"output-available", "output-error"}:
            output = self._output(part, error_type="error-text")
            content.append({**_tool_result(part, output), **options})
        return content

    def _output(self, part: _AnyToolPart, *, error_type: str) -> dict[str, JSON]:
        if part.state == "output-error":
            return {"type": error_type, "value": part.error_text}
        is_gone = isinstance(part, DynamicToolPart) and part.dynamic is False
        if is_gone and self._tools is not None and part.tool_name not in self._tools:
            return {"type": "text", "value": _OMITTED}
        tell = None if self._tools is None else self._tools.get(part.tool_name)
        if tell is not None:
            return tell(part.output)
        return {"type": "text" if isinstance(part.output, str) else "json", "value": part.output}


def _system(message: UIMessage) -> ModelMessage:
    texts = [part for part in message.parts if isinstance(part, TextPart)]
    options: dict[str, JSON] = {}
    for part in texts:
        options.update(part.provider_metadata or {})
    system: ModelMessage = {"role": "system", "content": "".join(part.text for part in texts)}
    return {**system, **({"providerOptions": options} if options else {})}


def _file(part: FilePart) -> dict[str, JSON]:
    item: dict[str, JSON] = {"type": "file", "mediaType": part.media_type}
    if part.filename is not None:
        item["filename"] = part.filename
    if part.provider_reference is not None:
        item["data"] = {"type": "reference", "reference": part.provider_reference}
    else:
        item["data"] = {"type": "url", "url": _checked_url(part.url)}
    return {**item, **_options(part.provider_metadata)}


def _checked_url(url: str) -> str:
    normal = normal_url(url)
    if normal is None:
        raise ValueError(f"{url[:80]!r} is not an absolute URL")
    return normal


def _first(preferred: JSON, other: JSON) -> JSON:
    return other if preferred is None else preferred


def _options(metadata: JSON) -> dict[str, JSON]:
    return {} if metadata is None else {"providerOptions": metadata}


def _tool_result(part: _AnyToolPart, output: JSON) -> dict[str, JSON]:
    return {
        "type": "tool-result",
        "toolCallId": part.tool_call_id,
        "toolName": part.tool_name,
        "output": output,
    }


def _approval_request(part: _AnyToolPart) -> dict[str, JSON]:
    approval = part.approval
    assert approval is not None
    request: dict[str, JSON] = {
        "type": "tool-approval-request",
        "approvalId": approval.id,
        "toolCallId": part.tool_call_id,
    }
    if approval.is_automatic is not None:
        request["isAutomatic"] = approval.is_automatic
    if approval.request_reason is not None:
        request["reason"] = approval.request_reason
    if "input_schema_input" in approval.model_fields_set:
        request["inputSchemaInput"] = approval.input_schema_input
    if approval.signature is not None:
        request["signature"] = approval.signature
    return request


def _approval_response(part: _AnyToolPart) -> dict[str, JSON]:
    approval = part.approval
    assert approval is not None
    response: dict[str, JSON] = {
        "type": "tool-approval-response", "approvalId": approval.id, "approved": approval.approved,
    }  # fmt: skip
    if approval.reason is not None:
        response["reason"] = approval.reason
    if part.provider_executed is not None:
        response["providerExecuted"] = part.provider_executed
    return response
