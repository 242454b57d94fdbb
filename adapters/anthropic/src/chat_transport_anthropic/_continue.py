"""What a message has said so far, as blocks to send back when the model pauses its turn.

Rule: pure; blocks are kept as they came, because the API compares them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

__all__ = ["Said"]

JSON: TypeAlias = Any  # any JSON value


class Said:
    """Folds the events of one message into its content blocks."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, JSON]] = {}
        self._inputs: dict[int, list[str]] = {}

    def feed(self, event: JSON) -> None:
        """Take one event."""
        kind = event.get("type")
        if kind == "content_block_start":
            self._blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta" and event["index"] in self._blocks:
            self._delta(self._blocks[event["index"]], event["index"], event["delta"])

    def _delta(self, block: dict[str, JSON], index: int, delta: JSON) -> None:
        kind = delta["type"]
        if kind == "text_delta":
            block["text"] = block.get("text", "") + delta["text"]
        elif kind == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        elif kind == "input_json_delta":
            self._inputs.setdefault(index, []).append(delta["partial_json"])

    def blocks(self) -> list[dict[str, JSON]]:
        """Give the blocks in their order."""
        said: list[dict[str, JSON]] = []
        for index in sorted(self._blocks):
            block = self._blocks[index]
            written = "".join(self._inputs.get(index, []))
            if written:
                block = block | {"input": msgspec.json.decode(written)}
            if block.get("type") != "text" or block.get("text"):
                said.append(block)
        return said
