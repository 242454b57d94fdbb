"""Messages from outside: checked strictly, or loaded leniently with a report.

Rule: what a client sends is a claim. `validate_messages` refuses whatever AI SDK servers refuse and
drops unknown keys; `load_messages` reads old stores and never refuses, but says what it changed.
Source: AI SDK 7.0.173 `validateUIMessages`, pinned by the vectors of group `validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from ._part_shapes import read_part, tool_name
from .errors import RemoteProtocolError
from .messages import UIMessage

__all__ = [
    "Check",
    "LoadProblem",
    "LoadedMessages",
    "ToolChecks",
    "load_messages",
    "validate_messages",
]

JSON: TypeAlias = Any  # any JSON value
Check: TypeAlias = Callable[[JSON], object]
"""Raises ValueError if a value does not fit, such as `TypeAdapter(...).validate_python`."""

_ROLES = ("system", "user", "assistant")  # a tuple: what is looked up may not be hashable
_TERMINAL_STATES = frozenset({"output-available", "output-error", "output-denied"})
_UNREADABLE_CALL = "This tool call could not be loaded."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChecks:
    """How the calls of one tool are checked; None checks nothing."""

    input: Check | None = None
    output: Check | None = None


@dataclass(frozen=True, slots=True)
class LoadProblem:
    """What `load_messages` could not take as it was.

    Attributes:
        path: Where, such as `messages[2].parts[0]`.
        reason: What was wrong.
        remedy: What was done about it.
    """

    path: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LoadedMessages:
    """Messages from an old store, and what had to be changed to read them."""

    messages: list[UIMessage] = field(default_factory=list[UIMessage])
    problems: list[LoadProblem] = field(default_factory=list[LoadProblem])


def validate_messages(
    value: JSON,
    *,
    metadata: Check | None = None,
    data: Mapping[str, Check] | None = None,
    tools: Mapping[str, ToolChecks] | None = None,
) -> list[UIMessage]:
    """Read a conversation that cannot be trusted. Stops at the first fault.

    Args:
        value: The JSON list of messages.
        metadata: Checks each message's metadata.
        data: Name of a data part (without `data-`) -> its check; every data part must have one.
        tools: Name of a tool -> its checks. A finished call of a tool that is not named becomes
            a dynamic one whose output is not shown to the model; an unfinished one is refused.

    Raises:
        RemoteProtocolError: If anything is wrong; says where and why.
    """
    if not isinstance(value, list) or not value:
        raise RemoteProtocolError(
            "unable to read messages; expected a list of messages", data=value
        )
    messages: list[dict[str, JSON]] = []
    for at, message in enumerate(value):
        try:
            clean = _read_message(message)
        except ValueError as error:
            raise _refusal(f"messages[{at}]", error, message) from error
        for part_at, part in enumerate(clean["parts"]):
            try:
                clean_part = read_part(part)
                clean["parts"][part_at] = _check_part(clean_part, data, tools)
            except ValueError as error:
                raise _refusal(f"messages[{at}].parts[{part_at}]", error, part) from error
        if metadata is not None:
            try:
                metadata(clean.get("metadata"))
            except ValueError as error:
                raise _refusal(f"messages[{at}].metadata", error, message) from error
        messages.append(clean)
    return _all_messages().validate_python(messages)


@cache
def _all_messages() -> TypeAdapter[list[UIMessage]]:
    return TypeAdapter(list[UIMessage])  # one call for a list takes a third less than one for each


def _refusal(path: str, error: ValueError, value: JSON) -> RemoteProtocolError:
    return RemoteProtocolError(f"unable to read {path}; {error}", data=value)


def _read_message(message: JSON) -> dict[str, JSON]:
    _require(isinstance(message, dict), "expected an object")
    role, parts = message.get("role"), message.get("parts")
    _require(isinstance(message.get("id"), str), "`id` must be a string")
    _require(role in _ROLES, f"`role` must be system, user or assistant, not {role!r}")
    _require(isinstance(parts, list), "`parts` must be a list")
    _require(parts or role == "assistant", "`parts` is empty; only an assistant message may be")
    clean = {"id": message["id"], "role": role, "parts": list(parts)}
    if "metadata" in message:
        clean["metadata"] = message["metadata"]
    return clean


def _require(holds: object, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def _check_part(
    part: dict[str, JSON],
    data: Mapping[str, Check] | None,
    tools: Mapping[str, ToolChecks] | None,
) -> dict[str, JSON]:
    kind: str = part["type"]
    if data is not None and kind.startswith("data-"):
        check = data.get(kind.removeprefix("data-"))
        if check is None:
            raise ValueError(f"no check is registered for data part {kind!r}")
        check(part["data"])
    if tools is not None and kind.startswith("tool-"):
        return _check_call(part, tools.get(tool_name(part)))
    return part


def _check_call(part: dict[str, JSON], checks: ToolChecks | None) -> dict[str, JSON]:
    if checks is None:
        if part["state"] not in _TERMINAL_STATES:
            raise ValueError(f"no tool is registered under {tool_name(part)!r}")
        return _as_dynamic(part)
    if checks.input is not None and part["state"] != "input-streaming" and "input" in part:
        approval = part.get("approval", {})
        try:
            checked = checks.input(approval.get("inputSchemaInput", part["input"]))
        except ValueError:
            # Old calls that failed, or were stored as `{}`, must not make the chat unreadable.
            stored_empty = part["state"] == "output-available" and part["input"] == {}
            if part["state"] == "output-error" or stored_empty:
                return _as_dynamic(part)
            raise
        if "inputSchemaInput" in approval and checked is not None and checked != part["input"]:
            raise ValueError("`approval.inputSchemaInput` does not give the stored input")
    if checks.output is not None and part["state"] == "output-available":
        checks.output(part["output"])
    return part


def _as_dynamic(part: dict[str, JSON]) -> dict[str, JSON]:
    return {**part, "type": "dynamic-tool", "toolName": tool_name(part), "dynamic": False}


# ── lenient ──────────────────────────────────────────────────────────────────────────────────────


def load_messages(value: JSON) -> LoadedMessages:
    """Read a stored conversation as far as it can be read. Never raises.

    Invalid tool parts become finished dynamic ones, so that no call waits for ever; fields that do
    not fit are left out; parts and messages that cannot be read are left out. Each is reported.
    """
    loaded = LoadedMessages()
    if not isinstance(value, list):
        loaded.problems.append(LoadProblem("messages", "expected a list", "nothing was loaded"))
        return loaded
    read = (
        _load_message(message, f"messages[{at}]", loaded.problems)
        for at, message in enumerate(value)
    )
    clean = [message for message in read if message is not None]
    loaded.messages.extend(_all_messages().validate_python(clean))
    return loaded


def _load_message(message: JSON, path: str, problems: list[LoadProblem]) -> dict[str, JSON] | None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        problems.append(LoadProblem(path, "not a message with a known role", "left out"))
        return None
    message_id = message.get("id")
    if not isinstance(message_id, str):
        message_id = path
        problems.append(LoadProblem(path, "`id` is not a string", f"the id is now {path!r}"))
    stored = message.get("parts")
    if not isinstance(stored, list):
        text = message.get("content")
        stored = [{"type": "text", "text": text}] if isinstance(text, str) else []
        problems.append(LoadProblem(path, "`parts` is not a list", "read from `content`"))
    parts: list[JSON] = []
    for at, part in enumerate(stored):
        clean_part = _load_part(part, f"{path}.parts[{at}]", problems)
        if clean_part is not None:
            parts.append(clean_part)
    clean = {"id": message_id, "role": message["role"], "parts": parts}
    if "metadata" in message:
        clean["metadata"] = message["metadata"]
    return clean


def _load_part(part: JSON, path: str, problems: list[LoadProblem]) -> dict[str, JSON] | None:
    try:
        return read_part(part)
    except ValueError as error:
        reason = str(error)
    kind = part.get("type") if isinstance(part, dict) else None
    if isinstance(kind, str) and (kind == "dynamic-tool" or kind.startswith("tool-")):
        repaired = _repair_call(part)
        remedy = "made a finished dynamic call"
    else:
        repaired, dropped = _keep_what_fits(part)
        remedy = f"without {', '.join(dropped)}"
    problems.append(LoadProblem(path, reason, "left out" if repaired is None else remedy))
    return repaired


def _repair_call(part: dict[str, JSON]) -> dict[str, JSON] | None:
    call_id = part.get("toolCallId")
    name = part.get("toolName") if part["type"] == "dynamic-tool" else tool_name(part)
    if not isinstance(call_id, str) or not isinstance(name, str):
        return None
    call: dict[str, JSON] = {
        "type": "dynamic-tool", "toolName": name, "toolCallId": call_id, "dynamic": False,
    }  # fmt: skip
    call["input"] = part.get("input")
    if "output" in part:
        return {**call, "state": "output-available", "output": part["output"]}
    text = part.get("errorText")
    error = text if isinstance(text, str) else _UNREADABLE_CALL
    return {**call, "state": "output-error", "errorText": error}


def _keep_what_fits(part: JSON) -> tuple[dict[str, JSON] | None, list[str]]:
    kept: dict[str, JSON] = dict(part) if isinstance(part, dict) else {}
    dropped: list[str] = []
    while fault := _fault(kept):
        key = next((key for key in kept if _is_at_fault(kept, key, fault)), None)
        if key is None:
            return None, dropped
        del kept[key]
        dropped.append(key)
    return read_part(kept), dropped


def _is_at_fault(part: dict[str, JSON], key: str, fault: str) -> bool:
    rest = {name: value for name, value in part.items() if name != key}
    now = _fault(rest)
    return key != "type" and now != fault and "missing required field" not in now


def _fault(part: dict[str, JSON]) -> str:
    try:
        read_part(part)
    except ValueError as error:
        return str(error)
    return ""
