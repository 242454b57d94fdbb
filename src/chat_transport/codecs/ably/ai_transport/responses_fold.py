"""Messages of Responses items, built from events.

Rule: an event finds its item by id within its message; what has no item is dropped; gaps in a list
of parts hide what follows until they are filled.
Source: @ably/ai-transport 0.8.0, `openai/codec/reducer.ts`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ....messages import TextPart
from .input_events import ApprovalAnswered, InputEvent, MessagePart, ToolResolved

__all__ = ["ResponsesFold", "ResponsesMessage"]

JSON: TypeAlias = Any  # any JSON value
ResponsesMessage: TypeAlias = dict[str, JSON]
"""`{role, items, toolCallStates?}`."""
DENIED: Final = "Tool execution was not approved."
"""What the model is told of a denial without a reason."""
_MODELLED = frozenset({"message", "reasoning", "function_call"})


@dataclass(slots=True)
class _Message:
    role: str
    items: list[dict[str, JSON]] = field(default_factory=list[dict[str, JSON]])
    by_id: dict[str, dict[str, JSON]] = field(default_factory=dict[str, dict[str, JSON]])
    calls: dict[str, dict[str, JSON]] = field(default_factory=dict[str, dict[str, JSON]])


class ResponsesFold:
    """Folds the wires of one node."""

    def __init__(self) -> None:
        self._messages: dict[str, _Message] = {}

    def say(self, message_id: str, chunks: Sequence[dict[str, JSON]]) -> None:
        """Take events of the message `message_id`."""
        for event in chunks:
            self._event(message_id, event)

    def take(self, message_id: str, event: InputEvent) -> None:
        """Take an input: text, a tool's result, an approval."""
        if isinstance(event, MessagePart):
            self._spoken(message_id, event)
        elif isinstance(event, ToolResolved):
            message = self._message(message_id)
            failed = event.error_text is not None
            _answer(message, event.tool_call_id, event.error_text if failed else event.output)
            _note(message, event.tool_call_id, result="failed" if failed else "ok")
        elif isinstance(event, ApprovalAnswered):
            message = self._message(message_id)
            if not event.approved:
                _answer(message, event.tool_call_id, event.reason or DENIED)
            _note(message, event.tool_call_id, approval="approved" if event.approved else "denied")
            if event.reason is not None:
                _note(message, event.tool_call_id, reason=event.reason)

    def entries(self) -> list[tuple[str, ResponsesMessage]]:
        """Give codec-message-ids and messages."""
        found: list[tuple[str, ResponsesMessage]] = []
        for message_id, message in self._messages.items():
            shown: ResponsesMessage = {"role": message.role}
            shown["items"] = [_dense(item) for item in message.items]
            if message.calls:
                shown["toolCallStates"] = copy.deepcopy(message.calls)
            found.append((message_id, shown))
        return found

    def _message(self, message_id: str, role: str = "assistant") -> _Message:
        return self._messages.setdefault(message_id, _Message(role))

    def _spoken(self, message_id: str, event: MessagePart) -> None:
        message = self._message(message_id, event.role)
        if not message.items:
            message.items.append({"type": "message", "role": "user", "content": []})
        if isinstance(event.part, TextPart):
            part = {"type": "input_text", "text": event.part.text}
            message.items[0]["content"].append(part)

    def _event(self, message_id: str, event: dict[str, JSON]) -> None:
        kind = event["type"]
        if kind == "response.output_item.added":
            self._added(message_id, event["item"])
        elif kind == "function_call_output":
            self._message(message_id).items.append(dict(event["item"]))
        elif kind == "tool-approval-request":
            state = {"approval": "pending", "name": event["name"], "arguments": event["arguments"]}
            _note(self._message(message_id), event["call_id"], **state)
        elif message_id in self._messages:
            self._within(self._messages[message_id], kind, event)

    def _added(self, message_id: str, item: dict[str, JSON]) -> None:
        if item.get("type") not in _MODELLED:
            return
        message = self._message(message_id)
        item_id = item.get("id")
        if item_id is not None and item_id in message.by_id:
            return
        own = copy.deepcopy(item)
        message.items.append(own)
        if item_id is not None:
            message.by_id[item_id] = own

    def _within(self, message: _Message, kind: str, event: dict[str, JSON]) -> None:
        if kind == "response.output_item.done":
            known = message.by_id.get(event["item"].get("id", ""))
            if known is not None:
                _finalise(known, event["item"])
            return
        item = message.by_id.get(event.get("item_id", ""))
        if item is None:
            return
        if kind.endswith(("content_part.added", "summary_part.added")):
            _seed(item, event)
        elif kind == "response.function_call_arguments.delta":
            item["arguments"] = item.get("arguments", "") + event["delta"]
        elif kind == "response.function_call_arguments.done":
            item["arguments"] = event["arguments"]
        else:
            _fill(item, kind, event)


def _note(message: _Message, call_id: str, **state: str) -> None:
    message.calls.setdefault(call_id, {}).update(state)


def _answer(message: _Message, call_id: str, output: JSON) -> None:
    said = {"type": "function_call_output", "call_id": call_id, "output": output}
    for place, item in enumerate(message.items):
        if item.get("type") == said["type"] and item.get("call_id") == call_id:
            message.items[place] = said
            return
    message.items.append(said)


def _finalise(known: dict[str, JSON], done: dict[str, JSON]) -> None:
    if "status" in done:
        known["status"] = done["status"]
    if known["type"] == "reasoning" and isinstance(done.get("encrypted_content"), str):
        known["encrypted_content"] = done["encrypted_content"]
    if known["type"] == "message":
        for slot, part in zip(known["content"], done.get("content", ()), strict=False):
            if slot is not None and "logprobs" in part:
                slot["logprobs"] = part["logprobs"]


def _slots(item: dict[str, JSON], event: dict[str, JSON]) -> tuple[list[JSON], int]:
    if "summary_index" in event:
        return item.setdefault("summary", []), event["summary_index"]
    return item.setdefault("content", []), event["content_index"]


def _seed(item: dict[str, JSON], event: dict[str, JSON]) -> None:
    slots, index = _slots(item, event)
    slots.extend([None] * (index + 1 - len(slots)))
    slots[index] = dict(event.get("part") or {})


def _fill(item: dict[str, JSON], kind: str, event: dict[str, JSON]) -> None:
    slots, index = _slots(item, event)
    slot = slots[index] if index < len(slots) else None
    if slot is None:
        return
    key = "refusal" if ".refusal." in kind else "text"
    slot[key] = slot.get(key, "") + event["delta"] if kind.endswith(".delta") else event[key]


def _dense(item: dict[str, JSON]) -> dict[str, JSON]:
    shown = copy.deepcopy(item)
    for key in ("summary", "content"):
        slots = shown.get(key)
        if isinstance(slots, list) and None in slots:
            shown[key] = slots[: slots.index(None)]
    return shown
