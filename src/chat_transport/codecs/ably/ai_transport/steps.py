"""The steps (attempts) of one invocation as a writer sees them: begun, acknowledged, ended.

Rule: what follows a step's begin repeats its serial, so it is held until the channel has told it.
Source: @ably/ai-transport 0.8.0, `core/transport/run-step-writer.ts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from ....errors import LocalProtocolError
from ..operations import Operation, OutboundMessage, Publish
from . import headers as h
from .run_headers import RunIdentity, Step, step_headers

__all__ = ["Said", "StepReason", "StepWriter"]

StepReason: TypeAlias = Literal["complete", "failed", "cancelled"]
Said: TypeAlias = Callable[[], list[Operation]]
"""Something to say, made when its turn has come."""


class StepWriter:
    """The steps of one invocation, and what waits for the serial of one.

    Args:
        identity: The run.
        new_key: Gives the keys of publishes.
        client_id: Whom steps are attributed to.

    Attributes:
        current: The step that is open, if any.
        awaiting: The key of the step's begin that the channel has not acknowledged yet.
    """

    def __init__(self, identity: RunIdentity, new_key: Callable[[], str], client_id: str) -> None:
        self._identity = identity
        self._new_key = new_key
        self._client_id = client_id
        self.current: Step | None = None
        self.awaiting: str | None = None
        self._unnamed = 0
        self._failed: str | None = None
        self._untried: dict[str, None] = {}
        self._held: list[Said] = []

    def leave_untried(self, steps: tuple[str, ...]) -> None:
        """Note what a process that died has said steps for: each must be tried, or taken back."""
        self._untried = dict.fromkeys(steps)

    @property
    def untried(self) -> str | None:
        """The first of those that has not been tried again."""
        return next(iter(self._untried), None)

    def begin(
        self, step_id: str | None = None, client_id: str | None = None, *, implicit: bool = False
    ) -> list[Operation]:
        """Open a step; what is said from now on waits for its serial.

        Without a name it is the step before if that failed, else a fresh one; an implicit one is
        always fresh.

        Raises:
            LocalProtocolError: If one is open.
        """
        if self.current is not None:
            raise LocalProtocolError(
                f"unable to begin a step of run {self._identity.run_id!r}; "
                f"step {self.current.step_id!r} is open"
            )
        if client_id is not None:
            self._client_id = client_id
        if step_id is None and not implicit:
            step_id = self._failed
        if step_id is None:
            step_id = f"{self._identity.invocation_id}-step-{self._unnamed}"
            self._unnamed += 1
        self._untried.pop(step_id, None)
        self.current = Step(step_id, self._client_id, implicit=implicit)
        key = self.awaiting = self._new_key()
        message = OutboundMessage(
            name=h.STEP_START, extras=h.envelope(step_headers(self._identity, self.current))
        )
        return [Publish(messages=(message,), key=key, await_serial=True)]

    def end(self, reason: StepReason) -> list[Operation]:
        """Close the step that is open."""
        if self.current is None:
            return []
        headers = step_headers(self._identity, self.current) | {h.STEP_REASON: reason}
        self._failed = self.current.step_id if reason == "failed" else None
        self.current = None
        return [Publish(messages=(OutboundMessage(name=h.STEP_END, extras=h.envelope(headers)),))]

    # What waits --------------------------------------------------------------------------------

    def when_ready(self, say: Said) -> list[Operation]:
        """Say it now, or after all that is held."""
        if self.awaiting is None:
            return say()
        self._held.append(say)
        return []

    def hold_first(self, *said: Said) -> None:
        """Hold these, in this order, before all that is held."""
        self._held[:0] = said

    def take_serial(self, key: str, serial: str) -> bool:
        """Take the serial of a begin; False if it is not the one that is awaited."""
        if key != self.awaiting:
            return False
        assert self.current is not None
        self.current.serial = serial
        self.awaiting = None
        return True

    def released(self) -> list[Operation]:
        """Give what was held, as far as the next begin."""
        operations: list[Operation] = []
        while self._held and self.awaiting is None:
            operations += self._held.pop(0)()
        return operations
