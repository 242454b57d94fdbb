"""What is known of a run, derived from its messages whatever their order of arrival.

Rule: the message with the higher serial wins, also among two ends: people who answer at once wake
two invocations of one run. An ended run stays ended.
Source: @ably/ai-transport 0.8.0, `core/transport/tree.ts`, `headers.ts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from . import headers as h

__all__ = [
    "LifecycleEvent",
    "LifecycleFact",
    "RunFacts",
    "RunReason",
    "RunState",
    "StepFacts",
    "attempt_of",
    "lifecycle_fact",
    "steers_of",
]

RunState: TypeAlias = Literal["active", "suspended", "ended"]
RunReason: TypeAlias = Literal["complete", "cancelled", "error"]
LifecycleEvent: TypeAlias = Literal["start", "suspend", "resume", "end"]


@dataclass(slots=True)
class StepFacts:
    """The attempts of one step; the newest counts, what older ones said is void.

    Attributes:
        client_id: Whom the newest attempt is attributed to; empty if it says nothing.
    """

    canonical: str | None = None
    client_id: str = ""
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    attempts: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleFact:
    """One `ai-run-*` message."""

    serial: str
    event: LifecycleEvent
    invocation_id: str
    reason: RunReason = "complete"
    error_code: int | None = None
    error_message: str | None = None


@dataclass(slots=True)
class RunFacts:
    """What is known of a run. `state` and what follows it are derived from `lifecycle`.

    Attributes:
        announced: Its `ai-run-start` was seen.
        input_ids: Triggers that its invocations answer.
        answered: Steering messages that its outputs claim to answer.
        superseded: A client's tool-result fork took its place.
    """

    state: RunState = "active"
    reason: RunReason | None = None
    error_code: int | None = None
    error_message: str | None = None
    invocation_id: str = ""
    client_id: str = ""
    regenerates: str | None = None
    announced: bool = False
    input_ids: list[str] = field(default_factory=list[str])
    answered: set[str] = field(default_factory=set[str])
    superseded: bool = False
    steps: dict[str, StepFacts] = field(default_factory=dict[str, StepFacts])
    lifecycle: list[LifecycleFact] = field(default_factory=list[LifecycleFact])

    def is_announced(self, fact: LifecycleFact) -> bool:
        """Whether another process has begun, or resumed, the same under the same name."""
        return fact.event in {"start", "resume"} and any(
            (known.event, known.invocation_id) == (fact.event, fact.invocation_id)
            for known in self.lifecycle
        )

    def add(self, fact: LifecycleFact) -> None:
        """Take a lifecycle message, in any order."""
        self.lifecycle.append(fact)
        self.lifecycle.sort(key=lambda known: known.serial)
        self.state, self.invocation_id = "active", ""
        for known in self.lifecycle:
            if known.event == "end":
                self.state, self.reason = "ended", known.reason
                self.error_code, self.error_message = known.error_code, known.error_message
                self.invocation_id = known.invocation_id
            elif self.state == "ended":
                continue  # terminal
            elif known.event == "start" and self.invocation_id:
                continue  # another process began the same run: the first one has it
            elif known.event != "suspend":
                self.state, self.invocation_id = "active", known.invocation_id
            elif self.invocation_id in ("", known.invocation_id):
                self.state = "suspended"  # unless another invocation has resumed since

    @property
    def step_client_id(self) -> str:
        """Whom the newest step is attributed to; empty if no step says."""
        said = [step for step in self.steps.values() if step.client_id]
        return max(said, key=lambda step: step.canonical or "").client_id if said else ""

    def is_void(self, attempt: tuple[str, str] | None) -> bool:
        """Whether a newer attempt of its step took the place of this one (step, serial)."""
        if attempt is None:
            return False
        step = self.steps.get(attempt[0])
        return step is not None and step.canonical not in (None, attempt[1])


def attempt_of(transport: Mapping[str, str]) -> tuple[str, str] | None:
    """Read the step of an output, and which attempt of it; None for output without a step."""
    step_id, serial = transport.get(h.STEP_ID), transport.get(h.STEP_START_SERIAL)
    return (step_id, serial) if step_id is not None and serial is not None else None


def lifecycle_fact(
    kind: LifecycleEvent, serial: str, transport: Mapping[str, str]
) -> LifecycleFact:
    """Read an `ai-run-*` message."""
    reason = transport.get(h.RUN_REASON, "complete")
    failed = kind == "end" and reason == "error"
    code = transport.get(h.ERROR_CODE, "")
    message = transport.get(h.ERROR_MESSAGE, "agent reported an error")
    return LifecycleFact(
        serial=serial,
        event=kind,
        invocation_id=transport.get(h.INVOCATION_ID, ""),
        reason="error" if failed else "cancelled" if reason == "cancelled" else "complete",
        error_code=(int(code) if code.isdecimal() else h.STREAM_ERROR) if failed else None,
        error_message=message if failed else None,
    )


def steers_of(stamp: str | None) -> list[str]:
    """Read which steering messages an output answers; a malformed stamp reads as none."""
    try:
        ids = json.loads(stamp) if stamp else []
    except ValueError:
        return []
    return [i for i in ids if isinstance(i, str)] if isinstance(ids, list) else []
