"""There and back: a recording through its decoder, the reducer, and the adapter's next request.

Rule: pure; what the provider wants to see again (call ids, signatures, encrypted reasoning) must
have survived the message. For authors of adapters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import RemoteProtocolError
from ..messages import DynamicToolPart, ToolPart, UIMessage, UIMessagePart
from ..reducer import MessageReducer
from .replay import Recipe, Recording

__all__ = ["answered_message", "following_request", "lost_values"]

JSON: TypeAlias = Any  # any JSON value

KEPT = frozenset(
    {
        "call_id",
        "encrypted_content",
        "signature",
        "thoughtSignature",
        "tool_call_id",
        "tool_use_id",
    }
)
"""Fields of requests whose values come from the provider's own stream."""


def answered_message(recipe: Recipe, recording: Recording) -> UIMessage | None:
    """Fold a recording into its message, and answer the calls that wait for an output.

    None if the recording is a failure, or answers calls of an earlier one.
    """
    decoder = recipe.decoder(recording)
    chunks = [chunk for event in recording.events for chunk in decoder.feed(json.loads(event))]
    chunks += decoder.end()
    if decoder.failed:
        return None
    reducer = MessageReducer(message_id="reply")
    try:
        for chunk in chunks:
            reducer.feed(chunk)
    except RemoteProtocolError as error:
        if "No tool invocation found" in str(error):
            return None
        raise
    message = reducer.message
    return message.model_copy(update={"parts": [_answered(part) for part in message.parts]})


def _answered(part: UIMessagePart) -> UIMessagePart:
    if not isinstance(part, ToolPart | DynamicToolPart) or part.provider_executed:
        return part
    if part.state != "input-available":
        return part
    answer = {"state": "output-available", "output": "ok"}
    return type(part).model_validate(part.to_wire() | answer)


def following_request(folder: Path, recording: Recording) -> JSON:
    """Give the recorded request that came after a recording; None if there is none."""
    name, _, number = recording.name.rpartition(".")
    path = (
        folder
        / recording.api
        / f"{name}.{int(number) + 1 if number.isdecimal() else 0}.request.json"
    )
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def lost_values(
    recipe: Recipe,
    recording: Recording,
    build: Callable[[Sequence[UIMessage]], JSON],
    recorded: JSON,
) -> Iterator[str]:
    """Say which values of the recorded next request came from this stream and are not in ours."""
    message = answered_message(recipe, recording)
    if message is None:
        return
    body = build([UIMessage.user("replay", id="u"), message])
    ours = json.dumps(body, ensure_ascii=False)
    for value in _values(recorded):
        if value not in ours and any(value in event for event in recording.events):
            yield value


def _values(node: JSON, name: str | None = None) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, name)
    elif isinstance(node, str) and name in KEPT:
        yield node
