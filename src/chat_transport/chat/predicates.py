"""When to send without the user's doing: the two predicates of AI SDK.

Rule: pure functions of the messages, for `Chat(send_automatically_when=...)`.
Source: AI SDK 7.0.173 `lastAssistantMessageIsCompleteWith...`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..messages import (
    DynamicToolPart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
    UIMessagePart,
)
from ._parts import is_tool_part

__all__ = [
    "last_assistant_message_is_complete_with_approval_responses",
    "last_assistant_message_is_complete_with_tool_calls",
]


def last_assistant_message_is_complete_with_tool_calls(messages: Sequence[UIMessage]) -> bool:
    """Whether every call of the last step that is ours to answer has its result.

    There must be one, and no text after the last of them may still be streaming.
    """
    step = _last_step(messages)
    own = [part for part in step if is_tool_part(part) and not part.provider_executed]
    if not own or not all(_has_result(part) for part in own if is_tool_part(part)):
        return False
    after = step[max(i for i, part in enumerate(step) if part is own[-1]) + 1 :]
    return all(not isinstance(part, TextPart) or part.state == "done" for part in after)


def last_assistant_message_is_complete_with_approval_responses(
    messages: Sequence[UIMessage],
) -> bool:
    """Whether the last step has an answered approval and nothing in it is open."""
    calls = [part for part in _last_step(messages) if is_tool_part(part)]
    return any(part.state == "approval-responded" for part in calls) and all(
        part.state in {"approval-responded", "output-denied"} or _has_result(part) for part in calls
    )


def _has_result(part: ToolPart | DynamicToolPart) -> bool:
    return part.state == "output-error" or (
        part.state == "output-available" and not part.preliminary
    )


def _last_step(messages: Sequence[UIMessage]) -> list[UIMessagePart]:
    if not messages or messages[-1].role != "assistant":
        return []
    parts = messages[-1].parts
    starts = [i for i, part in enumerate(parts) if isinstance(part, StepStartPart)]
    return parts[starts[-1] + 1 if starts else 0 :]
