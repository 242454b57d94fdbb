"""Chunks in wire form, and whether a listed difference makes them equal."""

from __future__ import annotations

import json
from types import ModuleType

from chat_transport.testing.replay import Recording

START, END = {"type": "text-start", "id": "1"}, {"type": "text-end", "id": "1"}
SAYS = {"type": "text-delta", "id": "1", "delta": "a"}
OPEN, CLOSE = {"type": "reasoning-start", "id": "r"}, {"type": "reasoning-end", "id": "r"}
THINK = {"type": "reasoning-delta", "id": "r", "delta": "x"}
STEP_END = {"type": "finish-step"}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c"}
BEGUN, ENDED = {"type": "content_block_start"}, {"type": "content_block_stop"}


def settled(
    home: ModuleType,
    name: str,
    ours: list[dict],
    golden: list[dict],
    *events: dict,
    **fields: str,
) -> bool:
    """Whether the settlement of this name says ours as the golden chunks do."""
    texts = [json.dumps(event, separators=(",", ":")) for event in events]
    recording = Recording(**{"api": "openai-chat", "name": "n", "events": texts, **fields})
    return getattr(home, name)(recording, ours, golden) == golden


def finish(reason: str) -> dict:
    """Give a reply's end."""
    return {"type": "finish", "finishReason": reason}
