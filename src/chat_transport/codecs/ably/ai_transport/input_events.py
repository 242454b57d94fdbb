"""What clients put on the channel, decoded.

Rule: facts of the wire only; who may say them is the agent's business.
Source: @ably/ai-transport 0.8.0, `vercel/codec/inputs.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from pydantic import TypeAdapter, ValidationError

from ....messages import DataPart, FilePart, Role, TextPart, UIMessage, UIMessagePart
from . import headers as h
from .payload import InputWords

__all__ = [
    "ApprovalAnswered",
    "Cancelled",
    "InputEvent",
    "MessagePart",
    "MessageSaid",
    "Regenerated",
    "SeedMessage",
    "ToolResolved",
    "decode_input",
    "parsed_metadata",
]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePart:
    """One part of a user message; parts of one message share its codec-message-id.

    Attributes:
        metadata: The message's, on one of its parts; None on the others.
    """

    message_id: str
    role: Role
    part: UIMessagePart
    metadata: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSaid:
    """A whole user message at once, on wires that carry it so."""

    message: UIMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerated:
    """Another answer is wanted in place of the message `target`."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResolved:
    """The client's result of a tool call; `error_text` is None unless it failed.

    Attributes:
        seed: Messages that a fork starts from; empty in the simple form.
    """

    tool_call_id: str
    output: JSON = None
    error_text: str | None = None
    seed: tuple[SeedMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedMessage:
    """A message that a fork copies, under its new codec-message-id."""

    codec_message_id: str
    message: UIMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswered:
    """A person's answer to an approval request."""

    tool_call_id: str
    approved: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A wish that a run end, by run, by the input that asked for it, or both."""

    run_id: str | None = None
    input_id: str | None = None


InputEvent: TypeAlias = MessagePart | MessageSaid | Regenerated | ToolResolved | ApprovalAnswered
_WORDS = InputWords()
_ROLES: dict[str, Role] = {"system": "system", "assistant": "assistant", "user": "user"}
_PART: TypeAdapter[UIMessagePart] = TypeAdapter(UIMessagePart)


def decode_input(
    transport: Mapping[str, str],
    codec: Mapping[str, str],
    data: JSON,
    words: InputWords = _WORDS,
) -> InputEvent | None:
    """Read one `ai-input` message; None for what is not understood."""
    kind = codec.get(h.KIND)
    call = codec.get(words.call, "")
    known: Mapping[str, JSON] = data if isinstance(data, Mapping) else {}
    if kind == "user-message":
        part = _user_part(codec, data, words)
        if part is None:
            return None
        message_id = codec.get("messageId") or transport.get(h.MESSAGE_ID, "")
        return MessagePart(
            message_id=message_id,
            role=_ROLES.get(transport.get(h.ROLE, ""), "user"),
            part=part,
            metadata=parsed_metadata(codec.get(h.MESSAGE_METADATA)),
        )
    if kind == "regenerate":
        return Regenerated(target=transport.get(h.REGENERATES, ""))
    if kind == "tool-result":
        return ToolResolved(tool_call_id=call, output=known.get("output"), seed=_seed(known))
    if kind == "tool-result-error":
        text = known.get("message")
        error = text if isinstance(text, str) else ""
        return ToolResolved(tool_call_id=call, error_text=error, seed=_seed(known))
    if kind == "tool-approval-response":
        approved = codec.get("approved") == h.TRUE
        return ApprovalAnswered(tool_call_id=call, approved=approved, reason=codec.get("reason"))
    return None


def _user_part(codec: Mapping[str, str], data: JSON, words: InputWords) -> UIMessagePart | None:
    kind = codec.get(h.PART_TYPE, "")
    text = data if isinstance(data, str) else ""
    if kind == words.text:
        return TextPart(text=text)
    if kind == "file":
        part = FilePart(media_type=codec.get("mediaType", ""), url=text)
        name = codec.get("filename")
        return part if name is None else part.model_copy(update={"filename": name})
    if kind.startswith("data-"):
        data_part = DataPart(type=kind, data=data)
        part_id = codec.get("id")
        return data_part if part_id is None else data_part.model_copy(update={"id": part_id})
    return None


def parsed_metadata(text: str | None) -> JSON:
    """Read the header of a message's metadata; a malformed one reads as absent."""
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _seed(data: Mapping[str, JSON]) -> tuple[SeedMessage, ...]:
    seed = data.get("forkSeed")
    entries = seed.get("messages") if isinstance(seed, Mapping) else None
    found: list[SeedMessage] = []
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping):
            continue
        codec_id, message = entry.get("codecMessageId"), entry.get("message")
        if isinstance(codec_id, str) and isinstance(message, Mapping):
            read = _message(message)
            if read is not None:
                found.append(SeedMessage(codec_message_id=codec_id, message=read))
    return tuple(found)


def _message(wire: Mapping[str, JSON]) -> UIMessage | None:
    """Read a message leniently: parts that are not understood are left out, as in JavaScript."""
    parts = wire.get("parts")
    kept: list[UIMessagePart] = []
    for part in parts if isinstance(parts, list) else ():
        try:
            kept.append(_PART.validate_python(part))
        except ValidationError:
            continue
    try:
        return UIMessage.model_validate({**wire, "parts": kept})
    except ValidationError:
        return None
