"""A message as an application shows it: `UIMessage` and its parts.

Rule: snake case here, camelCase on the wire; a field that was never given is left out of `to_wire`,
and null is written only where the protocol allows any value. Unknown keys are kept.
Models are frozen: make a changed copy with `model_copy(update=...)`.
Source: AI SDK 7.0.173 `UIMessage`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Tag
from pydantic.alias_generators import to_camel

__all__ = [
    "CustomPart",
    "DataPart",
    "DynamicToolPart",
    "FilePart",
    "ReasoningFilePart",
    "ReasoningPart",
    "Role",
    "SourceDocumentPart",
    "SourceUrlPart",
    "SteeringMessagePart",
    "StepStartPart",
    "TextPart",
    "ToolApproval",
    "ToolPart",
    "ToolState",
    "UIMessage",
    "UIMessagePart",
    "WireModel",
]

JSON: TypeAlias = Any  # any JSON value: the protocol leaves these fields free
ProviderMetadata: TypeAlias = dict[str, dict[str, JSON]]
Role: TypeAlias = Literal["system", "user", "assistant"]
PartState: TypeAlias = Literal["streaming", "done"]
ToolState: TypeAlias = Literal[
    "input-streaming",
    "input-available",
    "approval-requested",
    "approval-responded",
    "output-available",
    "output-error",
    "output-denied",
]


class WireModel(BaseModel):
    """A frozen model with camelCase aliases that keeps absent, null and value apart."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="allow",
        frozen=True,
        protected_namespaces=(),
        defer_build=True,  # building all validators takes longer than the whole import
    )
    nullable: ClassVar[frozenset[str]] = frozenset()
    """Fields in which null is a value."""

    def to_wire(self) -> dict[str, JSON]:
        """Give the JSON object that AI SDK clients read: camelCase, absent fields left out."""
        wire: dict[str, JSON] = {}
        values = self.__dict__
        given = self.model_fields_set
        for name, alias in _wire_names(type(self)):
            if name == "type" or name in given:
                value = values[name]
                if value is None:
                    if name not in self.nullable:
                        continue
                elif isinstance(value, WireModel):
                    value = value.to_wire()
                elif name == "parts" and value and isinstance(value[0], WireModel):
                    value = [part.to_wire() for part in value]
                wire[alias] = value
        if self.model_extra:
            wire.update(self.model_extra)
        return wire

    @classmethod
    def assemble(cls, fields: Mapping[str, JSON], extra: Mapping[str, JSON] | None = None) -> Self:
        """Build a model from fields that were checked already; what is not named is not given.

        Args:
            fields: Snake-case names; nested models are models already.
            extra: Unknown keys, kept as they are.
        """
        model = cls.__new__(cls)
        # What `model_construct` does, without its search for aliases: 4 times faster.
        put = object.__setattr__
        put(model, "__dict__", {**_defaults(cls), **fields})
        put(model, "__pydantic_fields_set__", set(fields))
        put(model, "__pydantic_extra__", dict(extra) if extra else {})
        put(model, "__pydantic_private__", None)
        return model


@cache
def _defaults(cls: type[WireModel]) -> dict[str, JSON]:
    return {
        name: field.default for name, field in cls.model_fields.items() if not field.is_required()
    }


@cache
def _wire_names(cls: type[WireModel]) -> list[tuple[str, str]]:
    return [(name, field.alias or name) for name, field in cls.model_fields.items()]


class TextPart(WireModel):
    """Text, usually markdown."""

    type: Literal["text"] = "text"
    text: str
    state: PartState | None = None
    provider_metadata: ProviderMetadata | None = None
    citations: list[dict[str, JSON]] | None = None


class ReasoningPart(WireModel):
    """What the model thought; `id` is the stream's block id."""

    type: Literal["reasoning"] = "reasoning"
    id: str | None = None
    text: str
    state: PartState | None = None
    provider_metadata: ProviderMetadata | None = None


class FilePart(WireModel):
    """A file by http(s) or data URL; `provider_reference` wins over `url` for its provider."""

    type: Literal["file"] = "file"
    media_type: str
    url: str
    filename: str | None = None
    provider_reference: dict[str, str] | None = None
    provider_metadata: ProviderMetadata | None = None

    @classmethod
    def from_bytes(cls, data: bytes, *, media_type: str, filename: str | None = None) -> Self:
        """Give a file that travels inside its message, as a data URL: a third longer."""
        url = f"data:{media_type};base64,{b64encode(data).decode()}"
        if filename is None:
            return cls(media_type=media_type, url=url)
        return cls(media_type=media_type, url=url, filename=filename)


class ReasoningFilePart(WireModel):
    """A file inside the model's reasoning."""

    type: Literal["reasoning-file"] = "reasoning-file"
    media_type: str
    url: str
    provider_metadata: ProviderMetadata | None = None


class SourceUrlPart(WireModel):
    """A web page that the answer rests on."""

    type: Literal["source-url"] = "source-url"
    source_id: str
    url: str
    title: str | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceDocumentPart(WireModel):
    """A document that the answer rests on."""

    type: Literal["source-document"] = "source-document"
    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: ProviderMetadata | None = None


class CustomPart(WireModel):
    """A provider's own part; `kind` is `provider.kind` by convention."""

    type: Literal["custom"] = "custom"
    kind: str
    provider_metadata: ProviderMetadata | None = None


class StepStartPart(WireModel):
    """The boundary before each model call."""

    type: Literal["step-start"] = "step-start"


class SteeringMessagePart(WireModel):
    """What the user said while the reply was under way; `parts` are text and file objects."""

    type: Literal["steering-message"] = "steering-message"
    id: str
    parts: list[dict[str, JSON]]


class DataPart(WireModel):
    """Application data; `type` is `data-<name>`."""

    nullable: ClassVar[frozenset[str]] = frozenset({"data"})
    type: str
    id: str | None = None
    data: JSON

    @property
    def name(self) -> str:
        """The part of `type` after `data-`."""
        return self.type.removeprefix("data-")


class ToolApproval(WireModel):
    """A person's leave to run a tool call: asked for (`id`), answered when `approved` is given."""

    nullable: ClassVar[frozenset[str]] = frozenset({"descriptor", "input_schema_input"})
    id: str
    approved: bool | None = None
    descriptor: JSON = None
    request_reason: str | None = None
    reason: str | None = None
    is_automatic: bool | None = None
    signature: str | None = None
    input_schema_input: JSON = None


class _ToolFields(WireModel):
    nullable: ClassVar[frozenset[str]] = frozenset({"input", "output", "raw_input"})
    tool_call_id: str
    state: ToolState
    title: str | None = None
    input: JSON = None
    raw_input: JSON = None
    input_encoding: Literal["json", "text"] | None = None
    output: JSON = None
    error_text: str | None = None
    preliminary: bool | None = None
    provider_executed: bool | None = None
    tool_metadata: dict[str, JSON] | None = None
    call_provider_metadata: ProviderMetadata | None = None
    result_provider_metadata: ProviderMetadata | None = None
    approval: ToolApproval | None = None


class ToolPart(_ToolFields):
    """A call of a tool that the application declares; `type` is `tool-<toolName>`."""

    type: str

    @property
    def tool_name(self) -> str:
        """Everything after the first dash of `type`."""
        return self.type.partition("-")[2]


class DynamicToolPart(_ToolFields):
    """A call of a tool known only at run time (MCP, bridges)."""

    type: Literal["dynamic-tool"] = "dynamic-tool"
    tool_name: str
    dynamic: bool | None = None


_FIXED = frozenset(
    {
        "text",
        "reasoning",
        "file",
        "reasoning-file",
        "source-url",
        "source-document",
        "custom",
        "step-start",
        "steering-message",
        "dynamic-tool",
    }
)


def _part_tag(value: JSON) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if not isinstance(kind, str):
        return None
    if kind in _FIXED:
        return kind
    if kind.startswith("tool-"):
        return "tool"
    return "data" if kind.startswith("data-") else None


UIMessagePart = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ReasoningPart, Tag("reasoning")]
    | Annotated[FilePart, Tag("file")]
    | Annotated[ReasoningFilePart, Tag("reasoning-file")]
    | Annotated[SourceUrlPart, Tag("source-url")]
    | Annotated[SourceDocumentPart, Tag("source-document")]
    | Annotated[CustomPart, Tag("custom")]
    | Annotated[StepStartPart, Tag("step-start")]
    | Annotated[SteeringMessagePart, Tag("steering-message")]
    | Annotated[DataPart, Tag("data")]
    | Annotated[ToolPart, Tag("tool")]
    | Annotated[DynamicToolPart, Tag("dynamic-tool")],
    Discriminator(_part_tag),
]
"""One piece of a message, chosen by `type`."""


class UIMessage(WireModel):
    """A message as an application shows it."""

    nullable: ClassVar[frozenset[str]] = frozenset({"metadata"})
    id: str
    role: Role
    metadata: JSON = None
    parts: list[UIMessagePart]

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @classmethod
    def user(cls, text: str, *, id: str, files: Iterable[FilePart] = ()) -> Self:  # noqa: A002  # the protocol's word
        """Make a user message of files and then text."""
        parts: list[UIMessagePart] = [*files]
        if text:
            parts.append(TextPart(text=text))
        return cls(id=id, role="user", parts=parts)
