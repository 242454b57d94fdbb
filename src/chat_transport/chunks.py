"""Everything an agent can say: one small frozen class for each UI message chunk.

Rule: snake case here, camelCase on the wire, and an absent field is `ABSENT`, never None.
`None` is JSON null and stands only where the protocol allows any value.
Source: AI SDK 7.0.173 `UIMessageChunk`; see docs/reference/chunks.md.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import UNSET as ABSENT
from msgspec import UnsetType as Absent

__all__ = [
    "ABSENT",
    "CHUNK_TYPES",
    "Abort",
    "Absent",
    "Custom",
    "DataChunk",
    "Error",
    "File",
    "Finish",
    "FinishReason",
    "FinishStep",
    "MessageMetadata",
    "OpaqueChunk",
    "ProviderMetadata",
    "ReasoningDelta",
    "ReasoningEnd",
    "ReasoningFile",
    "ReasoningStart",
    "ResetStep",
    "SourceDocument",
    "SourceUrl",
    "Start",
    "StartStep",
    "SteeringMessage",
    "TextDelta",
    "TextEnd",
    "TextStart",
    "ToolApprovalRequest",
    "ToolApprovalResponse",
    "ToolInputAvailable",
    "ToolInputDelta",
    "ToolInputError",
    "ToolInputStart",
    "ToolOutputAvailable",
    "ToolOutputDenied",
    "ToolOutputError",
    "UIMessageChunk",
    "is_terminal",
]

JSON: TypeAlias = Any  # any JSON value: the protocol leaves these fields free
ProviderMetadata: TypeAlias = dict[str, dict[str, JSON]]
"""Provider name -> object of JSON. Two levels are enforced."""
FinishReason: TypeAlias = Literal[
    "stop", "length", "content-filter", "tool-calls", "error", "interrupted", "other"
]
InputEncoding: TypeAlias = Literal["json", "text"]


class UIMessageChunk(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One increment of a reply. `type` is its name on the wire."""

    type: ClassVar[str] = ""
    extra: dict[str, JSON] | Absent = msgspec.field(default=ABSENT, name="__extra__")
    """Unknown top-level fields, passed on as they came (clients >= 5.0.217 keep them)."""


class Start(UIMessageChunk, frozen=True, tag_field="type", tag="start"):
    """The reply begins. `message_id` names the message that it builds."""

    type: ClassVar[Literal["start"]] = "start"
    message_id: str | Absent = ABSENT
    message_metadata: JSON | Absent = ABSENT


class Finish(UIMessageChunk, frozen=True, tag_field="type", tag="finish"):
    """The reply is complete. Terminal."""

    type: ClassVar[Literal["finish"]] = "finish"
    finish_reason: FinishReason | Absent = ABSENT
    message_metadata: JSON | Absent = ABSENT


class MessageMetadata(UIMessageChunk, frozen=True, tag_field="type", tag="message-metadata"):
    """Metadata to merge into the message."""

    type: ClassVar[Literal["message-metadata"]] = "message-metadata"
    message_metadata: JSON


class Abort(UIMessageChunk, frozen=True, tag_field="type", tag="abort"):
    """The user stopped the reply. Terminal."""

    type: ClassVar[Literal["abort"]] = "abort"
    reason: str | Absent = ABSENT


class Error(UIMessageChunk, frozen=True, tag_field="type", tag="error"):
    """The agent failed; `error_text` is shown to the user. Terminal for a Chat."""

    type: ClassVar[Literal["error"]] = "error"
    error_text: str


class StartStep(UIMessageChunk, frozen=True, tag_field="type", tag="start-step"):
    """A model call begins."""

    type: ClassVar[Literal["start-step"]] = "start-step"


class FinishStep(UIMessageChunk, frozen=True, tag_field="type", tag="finish-step"):
    """A model call is over."""

    type: ClassVar[Literal["finish-step"]] = "finish-step"


class ResetStep(UIMessageChunk, frozen=True, tag_field="type", tag="reset-step"):
    """What the current step said is void (7.0.70 and later); the step goes on.

    `steps` is ours: so many steps are void, the current one and those before it, and the first of
    them goes on. AI SDK clients do not look at it: they take back the current step alone.
    """

    type: ClassVar[Literal["reset-step"]] = "reset-step"
    steps: Annotated[int, msgspec.Meta(ge=1)] | Absent = ABSENT


class TextStart(UIMessageChunk, frozen=True, tag_field="type", tag="text-start"):
    """A text part opens under `id`."""

    type: ClassVar[Literal["text-start"]] = "text-start"
    id: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class TextDelta(UIMessageChunk, frozen=True, tag_field="type", tag="text-delta"):
    """More text for the open part `id`."""

    type: ClassVar[Literal["text-delta"]] = "text-delta"
    id: str
    delta: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class TextEnd(UIMessageChunk, frozen=True, tag_field="type", tag="text-end"):
    """The text part `id` is done."""

    type: ClassVar[Literal["text-end"]] = "text-end"
    id: str
    citations: list[dict[str, JSON]] | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT


class ReasoningStart(UIMessageChunk, frozen=True, tag_field="type", tag="reasoning-start"):
    """A reasoning part opens under `id`."""

    type: ClassVar[Literal["reasoning-start"]] = "reasoning-start"
    id: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class ReasoningDelta(UIMessageChunk, frozen=True, tag_field="type", tag="reasoning-delta"):
    """More reasoning for the open part `id`."""

    type: ClassVar[Literal["reasoning-delta"]] = "reasoning-delta"
    id: str
    delta: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class ReasoningEnd(UIMessageChunk, frozen=True, tag_field="type", tag="reasoning-end"):
    """The reasoning part `id` is done."""

    type: ClassVar[Literal["reasoning-end"]] = "reasoning-end"
    id: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class File(UIMessageChunk, frozen=True, tag_field="type", tag="file"):
    """A file the model made; `url` is http(s) or data."""

    type: ClassVar[Literal["file"]] = "file"
    url: str
    media_type: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class ReasoningFile(UIMessageChunk, frozen=True, tag_field="type", tag="reasoning-file"):
    """A file that belongs to the model's reasoning (v7 clients only)."""

    type: ClassVar[Literal["reasoning-file"]] = "reasoning-file"
    url: str
    media_type: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class SourceUrl(UIMessageChunk, frozen=True, tag_field="type", tag="source-url"):
    """A web page that the answer rests on."""

    type: ClassVar[Literal["source-url"]] = "source-url"
    source_id: str
    url: str
    title: str | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT


class SourceDocument(UIMessageChunk, frozen=True, tag_field="type", tag="source-document"):
    """A document that the answer rests on."""

    type: ClassVar[Literal["source-document"]] = "source-document"
    source_id: str
    media_type: str
    title: str
    filename: str | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT


class Custom(UIMessageChunk, frozen=True, tag_field="type", tag="custom"):
    """A provider's own part; `kind` is `provider.kind` by convention (v7 clients only)."""

    type: ClassVar[Literal["custom"]] = "custom"
    kind: str
    provider_metadata: ProviderMetadata | Absent = ABSENT


class SteeringMessage(UIMessageChunk, frozen=True, tag_field="type", tag="steering-message"):
    """What the user said while the reply was under way (7.0.163 and later)."""

    type: ClassVar[Literal["steering-message"]] = "steering-message"
    id: str
    parts: list[dict[str, JSON]]


class ToolInputStart(UIMessageChunk, frozen=True, tag_field="type", tag="tool-input-start"):
    """The model begins to write the input of a tool call."""

    type: ClassVar[Literal["tool-input-start"]] = "tool-input-start"
    tool_call_id: str
    tool_name: str
    input_encoding: InputEncoding | Absent = ABSENT
    provider_executed: bool | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT
    tool_metadata: dict[str, JSON] | Absent = ABSENT
    dynamic: bool | Absent = ABSENT
    title: str | Absent = ABSENT


class ToolInputDelta(UIMessageChunk, frozen=True, tag_field="type", tag="tool-input-delta"):
    """More text of a tool call's input."""

    type: ClassVar[Literal["tool-input-delta"]] = "tool-input-delta"
    tool_call_id: str
    input_text_delta: str


class ToolInputAvailable(UIMessageChunk, frozen=True, tag_field="type", tag="tool-input-available"):
    """The input of a tool call is complete."""

    type: ClassVar[Literal["tool-input-available"]] = "tool-input-available"
    tool_call_id: str
    tool_name: str
    input: JSON
    provider_executed: bool | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT
    tool_metadata: dict[str, JSON] | Absent = ABSENT
    dynamic: bool | Absent = ABSENT
    title: str | Absent = ABSENT


class ToolInputError(UIMessageChunk, frozen=True, tag_field="type", tag="tool-input-error"):
    """The input of a tool call does not fit the tool."""

    type: ClassVar[Literal["tool-input-error"]] = "tool-input-error"
    tool_call_id: str
    tool_name: str
    input: JSON
    error_text: str
    provider_executed: bool | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT
    tool_metadata: dict[str, JSON] | Absent = ABSENT
    dynamic: bool | Absent = ABSENT
    title: str | Absent = ABSENT


class ToolApprovalRequest(
    UIMessageChunk, frozen=True, tag_field="type", tag="tool-approval-request"
):
    """A person must allow the call before it runs (v6 clients and later)."""

    type: ClassVar[Literal["tool-approval-request"]] = "tool-approval-request"
    approval_id: str
    tool_call_id: str
    approval_descriptor: JSON | Absent = ABSENT
    input_schema_input: JSON | Absent = ABSENT
    reason: str | Absent = ABSENT
    is_automatic: bool | Absent = ABSENT
    signature: str | Absent = ABSENT


class ToolApprovalResponse(
    UIMessageChunk, frozen=True, tag_field="type", tag="tool-approval-response"
):
    """The answer to an approval request (v7 clients only)."""

    type: ClassVar[Literal["tool-approval-response"]] = "tool-approval-response"
    approval_id: str
    approved: bool
    reason: str | Absent = ABSENT
    provider_executed: bool | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT


class ToolOutputAvailable(
    UIMessageChunk, frozen=True, tag_field="type", tag="tool-output-available"
):
    """What a tool returned; `preliminary` marks a value that a later one replaces."""

    type: ClassVar[Literal["tool-output-available"]] = "tool-output-available"
    tool_call_id: str
    output: JSON
    provider_executed: bool | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT
    tool_metadata: dict[str, JSON] | Absent = ABSENT
    dynamic: bool | Absent = ABSENT
    preliminary: bool | Absent = ABSENT


class ToolOutputError(UIMessageChunk, frozen=True, tag_field="type", tag="tool-output-error"):
    """The tool failed."""

    type: ClassVar[Literal["tool-output-error"]] = "tool-output-error"
    tool_call_id: str
    error_text: str
    provider_executed: bool | Absent = ABSENT
    provider_metadata: ProviderMetadata | Absent = ABSENT
    tool_metadata: dict[str, JSON] | Absent = ABSENT
    dynamic: bool | Absent = ABSENT


class ToolOutputDenied(UIMessageChunk, frozen=True, tag_field="type", tag="tool-output-denied"):
    """A person refused the call (v6 clients and later)."""

    type: ClassVar[Literal["tool-output-denied"]] = "tool-output-denied"
    tool_call_id: str


class DataChunk(UIMessageChunk, frozen=True):
    """Application data; `type` is `data-<name>`, `transient` data is never stored."""

    type: str  # type: ignore[misc]  # the one chunk whose wire name varies
    data: JSON
    id: str | Absent = ABSENT
    transient: bool | Absent = ABSENT


class OpaqueChunk(UIMessageChunk, frozen=True):
    """A chunk of a type that this version does not know: passed on, never interpreted.

    `fields` holds every key but `type`.
    """

    type: str  # type: ignore[misc]  # whatever the peer called it
    fields: dict[str, JSON]


_TAGGED: tuple[type[UIMessageChunk], ...] = (
    Start, Finish, MessageMetadata, Abort, Error, StartStep, FinishStep, ResetStep,
    TextStart, TextDelta, TextEnd, ReasoningStart, ReasoningDelta, ReasoningEnd,
    File, ReasoningFile, SourceUrl, SourceDocument, Custom, SteeringMessage,
    ToolInputStart, ToolInputDelta, ToolInputAvailable, ToolInputError,
    ToolApprovalRequest, ToolApprovalResponse,
    ToolOutputAvailable, ToolOutputError, ToolOutputDenied,
)  # fmt: skip
CHUNK_TYPES: dict[str, type[UIMessageChunk]] = {cls.type: cls for cls in _TAGGED}
"""Wire name -> class, for every type with a fixed name."""

_TERMINAL = (Finish, Abort, Error)


def is_terminal(chunk: UIMessageChunk) -> bool:
    """Whether `chunk` ends a reply: `finish`, `abort` or `error`."""
    return isinstance(chunk, _TERMINAL)
