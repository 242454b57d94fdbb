"""What a run had said when its process died, as a message that can be kept.

Rule: pure; open parts are closed, so that the message can be shown and sent to a model again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...chunks import ABSENT, ReasoningEnd, Start, TextEnd, UIMessageChunk
from ...messages import UIMessage
from ...reducer import MessageReducer

__all__ = ["folded_partial"]


def folded_partial(chunks: Sequence[UIMessageChunk], last: UIMessage | None) -> UIMessage | None:
    """Fold the chunks of a run that has no terminal chunk; None if it said nothing to keep.

    Args:
        chunks: From the run's `start`.
        last: The chat's last message, which the run goes on with if it names its id.
    """
    start = chunks[0] if chunks else None
    if not isinstance(start, Start) or start.message_id is ABSENT:
        return None
    goes_on = last is not None and last.id == start.message_id
    fold = MessageReducer(last if goes_on else None, message_id=start.message_id)
    for chunk in chunks:
        fold.feed(chunk)
    for part_id in fold.open_text_ids:
        fold.feed(TextEnd(id=part_id))
    for part_id in fold.open_reasoning_ids:
        fold.feed(ReasoningEnd(id=part_id))
    return fold.message if fold.message.parts else None
