"""What the conversation asks of the demo model. Rule: pure; the last user message decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from chat_transport.messages import DynamicToolPart, TextPart, ToolPart, UIMessage

__all__ = ["Answered", "Prompt", "read_prompt"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A tool call of this reply that has its answer.

    Attributes:
        outcome: `output`, `error` or `denied`.
        value: The output, or the error's or the person's words.
    """

    tool_name: str
    outcome: str
    value: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What was asked.

    Attributes:
        text: The last user message.
        answered: Tool calls since then that have an answer, in order.
        calls_before: Tool calls in the whole conversation; names the next one.
        words_before: Words in the whole conversation, for the usage.
    """

    text: str
    answered: tuple[Answered, ...] = ()
    calls_before: int = 0
    words_before: int = 0


def read_prompt(messages: Sequence[UIMessage]) -> Prompt:
    """Find what the user asked last, and which tools have answered since."""
    last_user = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    calls = [
        (index, part)
        for index, message in enumerate(messages)
        for part in message.parts
        if isinstance(part, ToolPart | DynamicToolPart)
    ]
    answered = (_answer(part) for index, part in calls if index > last_user)
    return Prompt(
        text=_text(messages[last_user]) if last_user >= 0 else "",
        answered=tuple(answer for answer in answered if answer is not None),
        calls_before=len(calls),
        words_before=sum(len(message.text.split()) for message in messages),
    )


def _text(message: UIMessage) -> str:
    return " ".join(part.text for part in message.parts if isinstance(part, TextPart)).strip()


def _answer(part: ToolPart | DynamicToolPart) -> Answered | None:
    name = part.tool_name
    if part.state == "output-available" and not part.preliminary:
        return Answered(tool_name=name, outcome="output", value=part.output)
    if part.state == "output-error":
        return Answered(tool_name=name, outcome="error", value=part.error_text)
    refused = part.approval is not None and part.approval.approved is False
    if part.state == "output-denied" or (part.state == "approval-responded" and refused):
        reason = part.approval.reason if part.approval else None
        return Answered(tool_name=name, outcome="denied", value=reason)
    return None
