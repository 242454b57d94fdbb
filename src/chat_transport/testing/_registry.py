"""The list that requirements write themselves into, by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .harness import Scene

__all__ = ["REGISTRY", "Check", "Requirement", "requires"]

Check: TypeAlias = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A promised behaviour.

    Attributes:
        id: Stable; docs and excuses name it.
        says: The promise in one sentence.
        check: Proves it, or raises `RequirementFailed`.
        needs: Capabilities without which it is not promised.
        needs_not: Capabilities with which something else is promised instead.
    """

    id: str
    says: str
    check: Check
    needs: Sequence[str] = ()
    needs_not: Sequence[str] = ()


REGISTRY: dict[str, Requirement] = {}


def requires(
    requirement_id: str, says: str, *, needs: Sequence[str] = (), needs_not: Sequence[str] = ()
) -> Callable[[Check], Check]:
    """Enter the decorated check as a requirement."""

    def enter(check: Check) -> Check:
        assert requirement_id not in REGISTRY, requirement_id
        REGISTRY[requirement_id] = Requirement(requirement_id, says, check, needs, needs_not)
        return check

    return enter
