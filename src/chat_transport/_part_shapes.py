"""The exact shape of each message part, for checking what comes from outside.

Rule: unknown keys are dropped; a key that may be absent may not be null, unless it holds any value.
Source: AI SDK 7.0.173 `uiMessagesSchema`, pinned by the vectors of group `validate`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from ._nested_shapes import Citation, ProviderMetadata, SteeringPart

__all__ = ["read_part", "tool_name"]

JSON: TypeAlias = Any  # any JSON value
_Encoding: TypeAlias = Literal["json", "text"]


class _Shape(msgspec.Struct, rename="camel", kw_only=True):
    """A part's keys; the wire names are camelCase."""


class _Text(_Shape, kw_only=True):
    type: Literal["text"]
    text: str
    state: Literal["streaming", "done"] | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET
    citations: list[Citation] | UnsetType = UNSET


class _Reasoning(_Shape, kw_only=True):
    type: Literal["reasoning"]
    text: str
    id: str | UnsetType = UNSET
    state: Literal["streaming", "done"] | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _File(_Shape, kw_only=True):
    type: Literal["file"]
    media_type: str
    url: str
    filename: str | UnsetType = UNSET
    provider_reference: dict[str, str] | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _ReasoningFile(_Shape, kw_only=True):
    type: Literal["reasoning-file"]
    media_type: str
    url: str
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _SourceUrl(_Shape, kw_only=True):
    type: Literal["source-url"]
    source_id: str
    url: str
    title: str | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _SourceDocument(_Shape, kw_only=True):
    type: Literal["source-document"]
    source_id: str
    media_type: str
    title: str
    filename: str | UnsetType = UNSET
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _Custom(_Shape, kw_only=True):
    type: Literal["custom"]
    kind: str
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _StepStart(_Shape, kw_only=True):
    type: Literal["step-start"]


class _SteeringMessage(_Shape, kw_only=True):
    type: Literal["steering-message"]
    id: str
    parts: list[SteeringPart]


class _Data(_Shape, kw_only=True):
    type: str
    data: JSON
    id: str | UnsetType = UNSET


class _Approval(_Shape, kw_only=True):
    id: str
    approved: bool | UnsetType = UNSET
    descriptor: JSON | UnsetType = UNSET
    request_reason: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    is_automatic: bool | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    input_schema_input: JSON | UnsetType = UNSET


class _Tool(_Shape, kw_only=True):
    type: str
    state: str
    tool_call_id: str
    tool_name: str | UnsetType = UNSET
    dynamic: bool | UnsetType = UNSET
    title: str | UnsetType = UNSET
    tool_metadata: dict[str, JSON] | UnsetType = UNSET
    provider_executed: bool | UnsetType = UNSET
    call_provider_metadata: ProviderMetadata | UnsetType = UNSET


class _InputStreaming(_Tool, kw_only=True):
    input: JSON | UnsetType = UNSET
    raw_input: str | UnsetType = UNSET
    input_encoding: _Encoding | UnsetType = UNSET


class _InputAvailable(_Tool, kw_only=True):
    input: JSON


class _ApprovalRequested(_Tool, kw_only=True):
    input: JSON
    approval: _Approval


class _OutputAvailable(_Tool, kw_only=True):
    input: JSON
    output: JSON
    preliminary: bool | UnsetType = UNSET
    result_provider_metadata: ProviderMetadata | UnsetType = UNSET
    approval: _Approval | UnsetType = UNSET


class _OutputError(_Tool, kw_only=True):
    error_text: str
    input: JSON | UnsetType = UNSET
    raw_input: JSON | UnsetType = UNSET
    result_provider_metadata: ProviderMetadata | UnsetType = UNSET
    approval: _Approval | UnsetType = UNSET


_SIMPLE: dict[str, type[_Shape]] = {
    "text": _Text,
    "reasoning": _Reasoning,
    "file": _File,
    "reasoning-file": _ReasoningFile,
    "source-url": _SourceUrl,
    "source-document": _SourceDocument,
    "custom": _Custom,
    "step-start": _StepStart,
    "steering-message": _SteeringMessage,
}
_FREE = frozenset({"input", "output", "data"})
"""Keys that hold any value: large ones are passed by, not walked through."""
_SHAPED = frozenset({"approval", "citations", "parts"})
"""Keys whose values are checked for keys of their own."""
_Answer: TypeAlias = Literal["none", "any", "granted", "refused"]
_ANSWERS: dict[_Answer, str] = {
    "none": "absent, and `reason` too",
    "any": "true or false",
    "granted": "true; leave `approval` out if nobody answered",
    "refused": "false",
}
_TOOL_STATES: dict[str, tuple[type[_Tool], frozenset[str], _Answer]] = {
    "input-streaming": (_InputStreaming, frozenset({"output", "errorText", "approval"}), "none"),
    "input-available": (_InputAvailable, frozenset({"output", "errorText", "approval"}), "none"),
    "approval-requested": (_ApprovalRequested, frozenset({"output", "errorText"}), "none"),
    "approval-responded": (_ApprovalRequested, frozenset({"output", "errorText"}), "any"),
    "output-available": (_OutputAvailable, frozenset({"errorText"}), "granted"),
    "output-error": (_OutputError, frozenset({"output"}), "granted"),
    "output-denied": (_ApprovalRequested, frozenset({"output", "errorText"}), "refused"),
}
"""State of a tool part -> its shape, the keys it may not have, the answer in its approval."""


def tool_name(part: dict[str, JSON]) -> str:
    """Give the tool's name of a tool part."""
    kind: str = part["type"]
    name: str = part["toolName"] if kind == "dynamic-tool" else kind.partition("-")[2]
    return name


def read_part(part: JSON) -> dict[str, JSON]:
    """Give the part without unknown keys.

    Raises:
        ValueError: If it is not a part; says why.
    """
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise ValueError("expected an object with a `type` in words")  # noqa: TRY004  # one class for all bad input
    if kind in _SIMPLE:
        return _convert(part, _SIMPLE[kind])
    if kind.startswith("data-"):
        return _convert(part, _Data)
    if kind == "dynamic-tool" or kind.startswith("tool-"):
        return _read_tool(part, dynamic=kind == "dynamic-tool")
    raise ValueError(f"unknown type {kind!r}")


def _read_tool(part: dict[str, JSON], *, dynamic: bool) -> dict[str, JSON]:
    row = _TOOL_STATES.get(part["state"]) if isinstance(part.get("state"), str) else None
    if row is None:
        raise ValueError(f"unknown tool state {part.get('state')!r}")
    shape, forbidden, answer = row
    surplus = forbidden & part.keys()
    if surplus:
        raise ValueError(
            f"`{min(surplus)}` has no place in state {part['state']!r}; leave the key out"
        )
    if not dynamic:
        part = {key: value for key, value in part.items() if key not in {"toolName", "dynamic"}}
    elif "toolName" not in part:
        raise ValueError("missing required field `toolName`")
    elif part.get("dynamic", False) is not False:
        raise ValueError("`dynamic` may only be false")
    if "approval" in part:
        _check_answer(part["approval"], answer, part["state"])
    return _convert(part, shape)


def _check_answer(approval: JSON, answer: _Answer, state: str) -> None:
    if not isinstance(approval, dict):
        return  # refused with the shape
    given = approval.get("approved")
    if answer == "none":
        fits = "approved" not in approval and "reason" not in approval
    elif answer == "any":
        fits = isinstance(given, bool)
    else:
        fits = given is (answer == "granted")
    if not fits:
        raise ValueError(
            f"`approval.approved` does not fit state {state!r}; it must be {_ANSWERS[answer]}"
        )


def _convert(part: dict[str, JSON], shape: type[_Shape]) -> dict[str, JSON]:
    free = {} if _FREE.isdisjoint(part) else {key: part[key] for key in _FREE & part.keys()}
    try:
        checked = msgspec.convert({**part, **dict.fromkeys(free)} if free else part, shape)
    except msgspec.ValidationError as error:
        text = str(error)
        raise ValueError(text[:1].lower() + text[1:]) from error
    if part.keys() <= _plain_keys(shape):  # as nearly always: there is nothing to leave out
        return dict(part)
    clean: dict[str, JSON] = msgspec.to_builtins(checked)
    clean.update((key, value) for key, value in free.items() if key in clean)
    return clean


@cache
def _plain_keys(shape: type[_Shape]) -> frozenset[str]:
    """Give the keys of a shape whose values have no shape of their own to lose keys by."""
    known = {field.encode_name for field in msgspec.structs.fields(shape)}
    return frozenset(known - _SHAPED)
