"""Reads what a run works on: the channel, as far back as it must be, and an own store before it.

Rule: where an own store and the channel have a message in common, the channel counts from there on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from ...messages import UIMessage
from ...transport import History
from .wire import AgentWire, RunTask

__all__ = ["Past", "read_prompt"]

Past: TypeAlias = Callable[[str], Awaitable[Sequence[UIMessage]]]
"""Gives what an own store has of the chat with this id, oldest message first."""


async def read_prompt(
    wire: AgentWire,
    task: RunTask,
    load_older: Callable[[], Awaitable[bool]],
    *,
    pages: int,
    own: Sequence[UIMessage] = (),
) -> Sequence[UIMessage]:
    """Give the conversation that a run works on.

    Args:
        wire: What has been read so far.
        task: The run.
        load_older: Reads one page more; False at the beginning of the channel.
        pages: Pages read at most.
        own: What an own store has; the channel is read back only to the newest message of it.
    """
    known = {message.id for message in own}
    prompt = wire.prompt(task)
    for _ in range(pages):
        if not wire.needs_older(task) or any(message.id in known for message in prompt):
            break
        if not await load_older():
            break
        prompt = wire.prompt(task)
    joined = History(messages=prompt, has_older=wire.needs_older(task)).joined_to(own)
    messages = [*own, *prompt] if joined is None else joined
    return messages if task.trigger == "regenerate-message" else _last(messages, task)


def _last(messages: Sequence[UIMessage], task: RunTask) -> Sequence[UIMessage]:
    """Put the message that the run goes on with behind what was said to the run meanwhile."""
    known = [message for message in messages if message.id == task.ref.message_id]
    if not known or messages[-1] is known[-1] or known[-1].role != "assistant":
        return messages
    return [*(message for message in messages if message is not known[-1]), known[-1]]
