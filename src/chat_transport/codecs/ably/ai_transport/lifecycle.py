"""What a reader that joined in the middle lacks: `start` and `start-step`, put in where missing.

Rule: pure and per message; a reply that is whole passes unchanged.
Source: @ably/ai-transport 0.8.0, `vercel/codec/decode-lifecycle.ts`; it keeps the state per run,
which loses the `step-start` part of a retried step. Ours is per message.
"""

from __future__ import annotations

from collections.abc import Sequence

from .... import chunks as c
from ....chunks import UIMessageChunk

__all__ = ["LifecycleRepair"]

_OPENERS = (c.TextStart, c.ReasoningStart, c.ToolInputStart)
_DELTAS = frozenset({c.TextDelta, c.ReasoningDelta, c.ToolInputDelta})
_TERMINAL = (c.Finish, c.Error, c.Abort)


class LifecycleRepair:
    """Follows the chunks of one message.

    Args:
        message_id: The id that a `start` put in here carries: the codec-message-id, until the
            agent's own `start` names the message.
    """

    __slots__ = ("_in_step", "_message_id", "_started")

    def __init__(self, message_id: str) -> None:
        self._message_id = message_id
        self._started = False
        self._in_step = False

    def feed(self, chunks: Sequence[UIMessageChunk]) -> Sequence[UIMessageChunk]:
        """Give the chunks with what is missing before them."""
        if len(chunks) == 1 and type(chunks[0]) in _DELTAS:
            return chunks
        out: list[UIMessageChunk] = []
        for chunk in chunks:
            if isinstance(chunk, _OPENERS):
                if not self._started:
                    self._started = True
                    out.append(c.Start(message_id=self._message_id))
                if not self._in_step:
                    self._in_step = True
                    out.append(c.StartStep())
            elif isinstance(chunk, c.Start):
                self._started = True
                if isinstance(chunk.message_id, str):
                    self._message_id = chunk.message_id
            elif isinstance(chunk, c.StartStep):
                self._in_step = True
            elif isinstance(chunk, c.FinishStep):
                self._in_step = False
            elif isinstance(chunk, _TERMINAL):
                self._started = self._in_step = False
            out.append(chunk)
        return out
