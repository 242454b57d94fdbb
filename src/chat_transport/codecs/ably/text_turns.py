"""What the wires of plain text share: parts, steps and `start` are put in where they are missing.

Rule: these wires carry text and nothing of its bounds; a part of text begins with its first word,
so a reply without words has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import chunks as c
from ...chunks import UIMessageChunk
from .ai_transport.lifecycle import LifecycleRepair
from .ai_transport.payload import StreamView
from .turns import TextStreams, Turns

__all__ = ["TextTurns", "dropped_by_text"]

_CARRIED = frozenset({"start", "finish", "abort", "error", "text-delta"})
_OPENERS = (c.TextStart, c.ToolInputStart)


def dropped_by_text() -> frozenset[str]:
    """Give the chunk types that wires of plain text drop: steps and the bounds of parts too."""
    return (frozenset(c.CHUNK_TYPES) | {"data-*"}) - _CARRIED


class _Words(TextStreams):
    """A part of text that begins with its first word. Header `reply` names what it begins."""

    def start(self, stream: StreamView) -> Sequence[UIMessageChunk]:
        """Give `start`, if this begins a reply; there is no word yet."""
        reply = stream.codec.get("reply")
        return () if reply is None else (c.Start(message_id=reply),)

    def delta(self, stream: StreamView, text: str) -> Sequence[UIMessageChunk]:
        """Give more text, and the begin of the part if this is all there is of it."""
        said = super().delta(stream, text)
        return (*super().start(stream), *said) if len(stream.pieces) == 1 else said

    def end(self, stream: StreamView) -> Sequence[UIMessageChunk]:
        """Give the end of the part, if it began."""
        return super().end(stream) if stream.pieces else ()


class _Bounds(LifecycleRepair):
    """Puts in `start` and steps: one step for each stretch of words and calls."""

    __slots__ = ()

    def feed(self, chunks: Sequence[UIMessageChunk]) -> Sequence[UIMessageChunk]:
        """Give the chunks with what is missing around them."""
        if len(chunks) == 1 and type(chunks[0]) is c.TextDelta:
            return chunks
        out: list[UIMessageChunk] = []
        for chunk in chunks:
            if not self._started:
                self._started = True
                if not isinstance(chunk, c.Start):
                    out.append(c.Start(message_id=self._message_id))
            elif isinstance(chunk, c.Start):
                continue
            if isinstance(chunk, _OPENERS) and not self._in_step:
                self._in_step = True
                out.append(c.StartStep())
            if c.is_terminal(chunk):
                if self._in_step:
                    out.append(c.FinishStep())
                self._started = self._in_step = False
            out.append(chunk)
        return out


class TextTurns(Turns):
    """A chat on a wire of plain text. Its conversations say no steps: they are put in here."""

    def __init__(self) -> None:
        super().__init__()
        self._codec = _Words()

    def reply(self, run_id: str) -> list[UIMessageChunk]:
        """Give what a reply has said so far, from its `start`, in few chunks.

        A reply that goes on after a wait is told as one, answers of people included.
        """
        node = self._nodes.get(run_id)
        bounds = _Bounds(run_id)
        said: list[UIMessageChunk] = [c.Start(message_id=run_id)]
        for wire in node.ordered() if node is not None else ():
            chunks = bounds.feed(wire.all_chunks(self._codec))
            said += [each for each in chunks if not isinstance(each, c.Start | c.Finish)]
        return said

    def goes_on_with(self, run_id: str, prompt_id: str | None) -> str | None:
        """Give the reply's own message: only a reply that waited is resumed on these wires."""
        return run_id

    def _repair(self, run_id: str) -> LifecycleRepair:
        return _Bounds(run_id)

    def _catch_up(self, run_id: str) -> None:
        """Learn what is open in a reply that was read from history, before it grows."""
        node = self._nodes.get(run_id)
        if node is not None and run_id not in self._repairs:
            bounds = self._repairs[run_id] = self._repair(run_id)
            for wire in node.ordered():
                bounds.feed(wire.all_chunks(self._codec))
