"""How an agent's prompt treats what is unfinished, and replies that came in several passes.

Rule: nothing that was shown is hidden from the model by default, and no tool call stays open in it:
providers refuse a call without a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from ....messages import DynamicToolPart, ToolPart, UIMessage, UIMessagePart

__all__ = ["PromptPolicy", "mark_partial", "merge_passes"]

PromptPolicy: TypeAlias = Literal["include_partial", "completed_only"]
UNANSWERED: Final = "the run ended before this tool was answered"
"""Error text of a call that its run left open."""
_OPEN: Final = frozenset({"input-available", "approval-requested", "approval-responded"})


def mark_partial(message: UIMessage) -> UIMessage:
    """Give the message with its open tool calls closed, and half-written inputs left out."""
    if message.role != "assistant":
        return message
    parts: list[UIMessagePart] = []
    for part in message.parts:
        if not isinstance(part, ToolPart | DynamicToolPart):
            parts.append(part)
        elif part.state in _OPEN:
            closed = {"state": "output-error", "error_text": UNANSWERED}
            parts.append(part.model_copy(update=closed))
        elif part.state != "input-streaming":
            parts.append(part)
    return message.model_copy(update={"parts": parts})


def merge_passes(messages: Iterable[UIMessage]) -> list[UIMessage]:
    """Join neighbours with one id: a reply that was suspended and resumed under its old id."""
    out: list[UIMessage] = []
    for message in messages:
        before = out[-1] if out else None
        if before is None or before.id != message.id or before.role != message.role:
            out.append(message)
            continue
        update: dict[str, object] = {"parts": [*before.parts, *message.parts]}
        if message.metadata is not None:
            update["metadata"] = _merged(before.metadata, message.metadata)
        out[-1] = before.model_copy(update=update)
    return out


def _merged(before: object, after: object) -> object:
    if isinstance(before, dict) and isinstance(after, dict):
        return {**before, **after}
    return after
