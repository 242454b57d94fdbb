"""Pruning model messages: less history for the model, without breaking what is kept.

Rule: what a kept message refers to is kept too; reasoning goes with the content that it led to.
Source: AI SDK 7.0.173 `pruneMessages`, pinned by the vectors of group `prune`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["PruneToolCalls", "prune_messages"]

JSON: TypeAlias = Any  # any JSON value
_Message: TypeAlias = dict[str, JSON]
_KeepPart: TypeAlias = Callable[[dict[str, JSON]], bool]

_CALL_PARTS = frozenset({"tool-call", "tool-result"})
_APPROVAL_PARTS = frozenset({"tool-approval-request", "tool-approval-response"})
_BEFORE_LAST = re.compile(r"before-last-(?:(\d+)-messages|message)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneToolCalls:
    """Which tool calls go.

    Attributes:
        type: `all`, `before-last-message`, or `before-last-N-messages`.
        tools: Names of the tools whose calls go; None for every tool.
    """

    type: str = "all"
    tools: Sequence[str] | None = None

    def keep_last(self) -> int:
        """Give how many messages at the end stay as they are.

        Raises:
            ValueError: If `type` is none of the known words.
        """
        if self.type == "all":
            return 0
        match = _BEFORE_LAST.fullmatch(self.type)
        if match is None:
            raise ValueError(f"unable to prune tool calls; unknown type {self.type!r}")
        return int(match[1] or 1)


def prune_messages(
    messages: Sequence[_Message],
    *,
    reasoning: Literal["none", "all", "before-last-message"] = "none",
    tool_calls: str | Sequence[PruneToolCalls] = "none",
    empty_messages: Literal["remove", "keep"] = "remove",
) -> list[_Message]:
    """Give model messages without reasoning, tool calls, their results and approvals.

    Args:
        messages: As `convert_to_model_messages` gives them; they stay as they are.
        reasoning: Which reasoning goes.
        tool_calls: `none`, `all`, `before-last-message`, `before-last-N-messages`, or a list.
        empty_messages: What happens to messages that have nothing left.

    Raises:
        ValueError: If `tool_calls` is none of the known words.
    """
    kept = list(messages)
    if reasoning != "none":
        last = len(kept) - 1 if reasoning == "before-last-message" else len(kept)
        kept = [
            _only(message, lambda part: part["type"] != "reasoning")
            if message["role"] == "assistant" and at < last
            else message
            for at, message in enumerate(kept)
        ]
    for rule in _rules(tool_calls):
        kept = _prune_calls(kept, rule)
    if empty_messages == "remove":
        kept = [message for message in kept if message["content"]]
    return kept


def _rules(tool_calls: str | Sequence[PruneToolCalls]) -> Sequence[PruneToolCalls]:
    if isinstance(tool_calls, str):
        return () if tool_calls == "none" else (PruneToolCalls(type=tool_calls),)
    return tool_calls


def _prune_calls(messages: list[_Message], rule: PruneToolCalls) -> list[_Message]:
    first_kept = len(messages) - rule.keep_last()
    call_of_approval = {
        part["approvalId"]: part["toolCallId"]
        for part in _parts(messages)
        if part["type"] == "tool-approval-request"
    }
    tool_of_call = {
        part["toolCallId"]: part["toolName"]
        for part in _parts(messages)
        if part["type"] in _CALL_PARTS
    }

    kept = [*_parts(messages[max(first_kept, 0) :])]
    approvals = {part["approvalId"] for part in kept if part["type"] in _APPROVAL_PARTS}
    calls = {part["toolCallId"] for part in kept if part["type"] in _CALL_PARTS}
    calls.update(call_of_approval[name] for name in approvals if name in call_of_approval)

    def stays(part: dict[str, JSON]) -> bool:
        if part["type"] in _CALL_PARTS:
            tool, needed = part["toolName"], part["toolCallId"] in calls
        elif part["type"] in _APPROVAL_PARTS:
            tool = tool_of_call.get(call_of_approval.get(part["approvalId"]))
            needed = part["approvalId"] in approvals
        else:
            return True
        return needed or (rule.tools is not None and tool is not None and tool not in rule.tools)

    return [
        _without_orphans(message, _only(message, stays)) if at < first_kept else message
        for at, message in enumerate(messages)
    ]


def _parts(messages: Iterable[_Message]) -> Iterable[dict[str, JSON]]:
    for message in messages:
        if message["role"] in {"assistant", "tool"} and isinstance(message["content"], list):
            yield from message["content"]


def _only(message: _Message, keep: _KeepPart) -> _Message:
    content = message["content"]
    if message["role"] not in {"assistant", "tool"} or not isinstance(content, list):
        return message
    return {**message, "content": [part for part in content if keep(part)]}


def _without_orphans(before: _Message, after: _Message) -> _Message:
    """Drop reasoning all of whose following content was pruned; providers refuse it alone."""
    if before["role"] != "assistant" or not isinstance(before["content"], list):
        return after
    left = {id(part) for part in after["content"]}
    content: list[JSON] = []
    for thoughts, results in _groups(before["content"]):
        stay = [part for part in results if id(part) in left]
        if stay or not results:
            content += thoughts
        content += stay
    return {**after, "content": content}


def _groups(content: list[JSON]) -> list[tuple[list[JSON], list[JSON]]]:
    groups: list[tuple[list[JSON], list[JSON]]] = [([], [])]
    for part in content:
        if part["type"] == "reasoning":
            if groups[-1][1]:
                groups.append(([], []))
            groups[-1][0].append(part)
        else:
            groups[-1][1].append(part)
    return groups
