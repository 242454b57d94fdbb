"""A run: one unit of agent work for one prompt, as the handler sees it.

Rule: the handler gets what the agent's end has checked, never the raw request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from anyio.abc import TaskGroup

from ..chunks import FinishReason, UIMessageChunk
from ..errors import LocalProtocolError
from ..inputs import Trigger
from ..messages import UIMessage
from .attempts import Attempt, Attempts
from .steering import Steering

__all__ = ["Handler", "Run", "RunEnd", "RunEndReason", "RunRequest", "User"]

JSON: TypeAlias = Any  # any JSON value
RunEndReason: TypeAlias = Literal["complete", "cancelled", "error"]
"""How a run ended: by itself, stopped, or by an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks, as verified by the agent's end; never taken from the request's own words.

    Attributes:
        id: The verified identity (Ably clientId, or what the authentication hook gave); None if
            anonymous.
        role: The verified role, such as Ably's `extras.userClaim`; None if there is none.
        claims: Whatever else the authentication hook vouches for.
    """

    id: str | None = None
    role: str | None = None
    claims: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What an agent's end hands to the runtime to start a run.

    Attributes:
        chat_id: The chat.
        messages: The conversation as the agent's end believes it.
        trigger: Why the run starts.
        message_id: The message that is continued or regenerated, if any.
        user: Who asks.
        run_id: The run's name, where the wire gives one; None lets the runtime make it.
        response_message_id: The id that `start` shall carry; None lets the runtime choose
            (the last assistant message's id when it is continued, else a new one).
        metadata: What the request carried beside the protocol's fields.
    """

    chat_id: str
    messages: Sequence[UIMessage]
    trigger: Trigger = "submit-message"
    message_id: str | None = None
    user: User = field(default_factory=User)
    run_id: str | None = None
    response_message_id: str | None = None
    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a handler works on.

    Attributes:
        run_id: The run's name.
        chat_id: The chat.
        messages: The conversation as the agent's end believes it.
        trigger: Why the run starts.
        message_id: The message that is continued or regenerated, if any.
        response_message_id: The id of the reply.
        user: Who asks, verified.
        metadata: What the request carried beside the protocol's fields.
        tasks: For work beside the stream; cancelled when the handler ends or is stopped. None
            only in a run that no `Agent` made.
        reply_so_far: Gives the reply as far as it was said; None only as above.
        steers: What the user says meanwhile, where the transport can steer.
        attempts: The run's named steps, for `step`; None only as above.
    """

    run_id: str
    chat_id: str
    messages: Sequence[UIMessage]
    trigger: Trigger
    message_id: str | None
    response_message_id: str
    user: User
    metadata: Mapping[str, JSON]
    tasks: TaskGroup | None = None
    reply_so_far: Callable[[], UIMessage] | None = None
    steers: Steering = field(default_factory=Steering, repr=False, compare=False)
    attempts: Attempts | None = field(default=None, repr=False, compare=False)

    def steering(self) -> AsyncIterator[UIMessage]:
        """Give what the user says while the run is under way, each once, as it comes.

        Never ends by itself; `steers.take()` gives what waits without waiting for more.
        """
        return self.steers

    def step(self, name: str) -> AbstractAsyncContextManager[Attempt]:
        """Put a block around work that may fail and be tried again: `async with run.step("plan")`.

        The same name again, at once, is a retry: what the attempt before it said is taken back. An
        exception ends the attempt as failed and goes on; what it said stays until a retry. What is
        open at the end of the block is closed. One block holds no other; yield in it, in order.

        Raises (on entering):
            LocalProtocolError: If another step or a part is open, or the run has gone on since the
                attempt that this would take back.
        """
        if self.attempts is None:
            raise LocalProtocolError(
                f"unable to begin step {name!r} of run {self.run_id!r}; use an Agent"
            )
        return self.attempts.step(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended; handed to `on_end` exactly once.

    Attributes:
        reason: `complete`, `cancelled` (stopped) or `error`.
        response_message: The reply as far as it came, all parts closed.
        messages: The conversation with the reply in its place.
        finish_reason: The model's, if it gave one.
        error: What the handler raised; None otherwise.
        suspended: A tool call waits for a person or a client: the reply goes on in a later run.
    """

    run: Run
    reason: RunEndReason
    response_message: UIMessage
    messages: Sequence[UIMessage]
    finish_reason: FinishReason | None = None
    error: Exception | None = None
    suspended: bool = False

    @property
    def usage(self) -> Mapping[str, JSON]:
        """What the models counted, summed over the steps; empty if they did not say."""
        metadata = self.response_message.metadata
        usage = metadata.get("usage") if isinstance(metadata, dict) else None
        return usage if isinstance(usage, dict) else {}


Handler: TypeAlias = Callable[[Run], AsyncIterator[UIMessageChunk]]
"""What an application writes: an async generator of chunks. Closed by us, always."""
