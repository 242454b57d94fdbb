"""The words of a prompt: turns and what they hold. Rule: pure; public through `prompt`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from .errors import LocalProtocolError

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
]

JSON: TypeAlias = Any  # any JSON value
Options: TypeAlias = Mapping[str, Mapping[str, JSON]]
"""Provider name -> what that provider said of the part, to be told it again."""
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words."""

    text: str
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file by address, inline, or by the name that a provider gave it.

    Attributes:
        url: http(s) or data URL.
        references: Provider name -> the file's id there; wins over `url` for that provider.
    """

    media_type: str
    url: str
    filename: str | None
    references: Mapping[str, str]
    options: Options

    @property
    def is_inline(self) -> bool:
        """Whether `url` holds the file itself."""
        return self.url.startswith("data:")

    @property
    def kind(self) -> str:
        """The media type before the slash."""
        return self.media_type.partition("/")[0]

    def data(self) -> bytes:
        """Give the bytes of an inline file.

        Raises:
            LocalProtocolError: If `url` is no data URL, or not a whole one.
        """
        head, comma, body = self.url.partition(",")
        if not self.is_inline or not comma:
            raise LocalProtocolError(f"unable to read file {self.url[:60]!r}; it is not inline")
        if not head.endswith(";base64"):
            return unquote_to_bytes(body)
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise LocalProtocolError(
                f"unable to read file {self.filename or self.media_type!r}; its base64 is broken"
            ) from error

    def base64(self) -> str:
        """Give an inline file in base64. Raises as `data`."""
        head, _, body = self.url.partition(",")
        return body if head.endswith(";base64") else base64.b64encode(self.data()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """What the model thought."""

    text: str
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningFile:
    """A file inside the model's reasoning."""

    media_type: str
    url: str
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """A provider's own part."""

    kind: str
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the model made."""

    tool_call_id: str
    tool_name: str
    input: JSON
    provider_executed: bool
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a call gave.

    Attributes:
        kind: `json` or `text`; `error-text` or `error-json` if it failed; `denied` if a person
            refused it.
        value: The output, the error, or the person's reason.
    """

    tool_call_id: str
    tool_name: str
    kind: Literal["text", "json", "error-text", "error-json", "denied"]
    value: JSON
    options: Options

    @property
    def is_error(self) -> bool:
        """Whether the call failed."""
        return self.kind in {"error-text", "error-json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResponse:
    """A person's answer about a tool that the provider runs."""

    approval_id: str
    approved: bool
    reason: str | None


PromptContent: TypeAlias = (
    Text | File | Reasoning | ReasoningFile | Custom | ToolCall | ToolResult | ApprovalResponse
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    """One turn; results of tools that we ran come in turns of role `tool`.

    Attributes:
        message_id: The UI message that it comes from, for error messages.
    """

    role: Role
    content: Sequence[PromptContent]
    message_id: str

    @property
    def text(self) -> str:
        """All text, joined."""
        return "".join(part.text for part in self.content if isinstance(part, Text))
