"""Questions about a conversation: may it be sent on by itself, and whose message comes next.

Rule: only the last step of the last message counts.
Source: AI SDK 7.0.173 `lastAssistantMessageIsCompleteWith...` and `getResponseUIMessageId`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .messages import DynamicToolPart, StepStartPart, TextPart, ToolPart, UIMessage, UIMessagePart

__all__ = [
    "is_complete_with_approval_responses",
    "is_complete_with_tool_calls",
    "response_message_id",
]


def is_complete_with_tool_calls(messages: Sequence[UIMessage]) -> bool:
    """Whether every client-side tool call of the last step has its result.

    At least one such call, each with an error or a final output, and no text after the last of
    them that is not done. Give it to a `Chat` to send tool results on by themselves.
    """
    step = _last_step(messages)
    calls = [
        at
        for at, part in enumerate(step)
        if isinstance(part, ToolPart | DynamicToolPart) and not part.provider_executed
    ]
    if not calls:
        return False
    results_are_in = all(_has_result(step[at]) for at in calls)
    text_is_done = all(
        part.state == "done" for part in step[calls[-1] :] if isinstance(part, TextPart)
    )
    return results_are_in and text_is_done


def is_complete_with_approval_responses(messages: Sequence[UIMessage]) -> bool:
    """Whether every approval of the last step was answered.

    At least one answer that was not acted upon yet, and no call, also of the provider's, that
    still waits. Give it to a `Chat` to send answers on by themselves.
    """
    calls = [part for part in _last_step(messages) if isinstance(part, ToolPart | DynamicToolPart)]
    return any(part.state == "approval-responded" for part in calls) and all(
        part.state in {"approval-responded", "output-denied"} or _has_result(part) for part in calls
    )


def response_message_id(messages: Sequence[UIMessage] | None, generated: str) -> str | None:
    """Give the id that `start` shall carry: the last message's if it is the assistant's.

    Args:
        messages: The conversation; None if it is not known, then there is no answer either.
        generated: The id for a new message.
    """
    if messages is None:
        return None
    if messages and messages[-1].role == "assistant":
        return messages[-1].id
    return generated


def _last_step(messages: Sequence[UIMessage]) -> Sequence[UIMessagePart]:
    if not messages or messages[-1].role != "assistant":
        return ()
    parts = messages[-1].parts
    starts = [at for at, part in enumerate(parts) if isinstance(part, StepStartPart)]
    return parts[starts[-1] + 1 :] if starts else parts


def _has_result(part: UIMessagePart) -> bool:
    return isinstance(part, ToolPart | DynamicToolPart) and (
        part.state == "output-error" or (part.state == "output-available" and not part.preliminary)
    )
