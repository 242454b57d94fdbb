"""Which replies are followed no further, because what they answer or stand in is gone from view.

Rule: to follow no further is to leave, not to stop: the run goes on at the agent, unseen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..messages import UIMessage
from ._replies import Reply

__all__ = ["leave_cut", "leave_rewritten"]


def leave_cut(under_way: Sequence[Reply], shown: Collection[str]) -> None:
    """Leave the replies whose message is not among those `shown`.

    One of our own that the agent gave no name may be there under another one: it stays.
    """
    for reply in under_way:
        message = reply.reducer.message
        is_known = reply.is_observed or message.id != reply.made_id
        if is_known and message.parts and message.id not in shown:
            reply.scope.cancel()


async def leave_rewritten(under_way: Sequence[Reply], kept: Sequence[UIMessage]) -> None:
    """Leave every reply that does not belong to the messages `kept`; the last is asked anew."""
    shown = {message.id for message in kept}
    answered = {message.id for message in kept[:-1]}
    for reply in tuple(under_way):
        message = reply.reducer.message
        if message.id in shown or (not message.parts and reply.asked_by in answered):
            continue
        reply.scope.cancel()
        await reply.done.wait()
