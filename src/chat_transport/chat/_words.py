"""The small records that a `Chat` takes and gives.

Rule: plain and frozen. Source: AI SDK 7.0.173 `ChatInit`, `ChatRequestOptions`, `onFinish`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ..chunks import DataChunk, FinishReason, ToolInputAvailable
from ..inputs import Trigger
from ..messages import UIMessage
from ._board import ChatStatus

__all__ = [
    "ChatCallbacks",
    "ChatFinish",
    "ChatRequest",
    "ChatState",
    "RequestOptions",
    "SendPredicate",
    "WhenBusy",
]

JSON: TypeAlias = Any  # any JSON value
WhenBusy: TypeAlias = Literal["concurrent", "reject", "queue", "interrupt"]
SendPredicate: TypeAlias = Callable[[Sequence[UIMessage]], bool]
"""Whether the messages are ready to be sent without a person's doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """What one request carries beside the messages; automatic requests inherit it."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    metadata: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A reply to ask for, with the messages as they will be then.

    Attributes:
        consumes_approval: It sends the answer to an approval that was waiting to be sent.
    """

    trigger: Trigger = "submit-message"
    message_id: str | None = None
    options: RequestOptions = RequestOptions()
    consumes_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatState:
    """A chat at one moment."""

    messages: tuple[UIMessage, ...]
    status: ChatStatus
    error: Exception | None
    queued: tuple[UIMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFinish:
    """How a reply ended.

    Attributes:
        message: The reply as far as it came.
        messages: The chat's messages.
        is_abort: This chat stopped or left it.
        is_disconnect: The network failed; `resume_stream` may give the rest.
        is_error: It failed; `Chat.error` says how.
        is_incomplete: It ended without `finish`, `abort` or `error`: perhaps cut off on its way.
        is_observed: Another client asked for it.
        finish_reason: The model's reason; None if it gave none.
    """

    message: UIMessage
    messages: tuple[UIMessage, ...]
    is_abort: bool = False
    is_disconnect: bool = False
    is_error: bool = False
    is_incomplete: bool = False
    is_observed: bool = False
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCallbacks:
    """What the application wants to be called for. Called in the chat's event loop."""

    on_tool_call: Callable[[ToolInputAvailable], Awaitable[None] | None] | None = None
    on_data: Callable[[DataChunk], None] | None = None
    on_error: Callable[[Exception], None] | None = None
    on_finish: Callable[[ChatFinish], None] | None = None
