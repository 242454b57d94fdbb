"""The list that requirements write themselves into, by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..transport import Ask, Capabilities
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
        carries: Chunk types without which it is not promised.
        asks: What a client asks in it; not promised where that is refused.
        refused: What must be refused for it to be promised.
    """

    id: str
    says: str
    check: Check
    needs: Sequence[str] = ()
    needs_not: Sequence[str] = ()
    carries: Sequence[str] = ()
    asks: Sequence[Ask] = ()
    refused: Sequence[Ask] = ()

    def lacking(self, capabilities: Capabilities) -> Sequence[str]:
        """Say why a transport with these capabilities does not promise it; nothing if it does."""
        return (
            *(name for name in self.needs if not getattr(capabilities, name)),
            *(f"not {name}" for name in self.needs_not if getattr(capabilities, name)),
            *(f"drops {name}" for name in self.carries if name in capabilities.drops),
            *(f"refuses {name}" for name in self.asks if name in capabilities.refuses),
            *(
                f"does not refuse {name}"
                for name in self.refused
                if name not in capabilities.refuses
            ),
        )


REGISTRY: dict[str, Requirement] = {}


def requires(
    requirement_id: str,
    says: str,
    *,
    needs: Sequence[str] = (),
    needs_not: Sequence[str] = (),
    carries: Sequence[str] = (),
    asks: Sequence[Ask] = (),
    refused: Sequence[Ask] = (),
) -> Callable[[Check], Check]:
    """Enter the decorated check as a requirement."""

    def enter(check: Check) -> Check:
        assert requirement_id not in REGISTRY, requirement_id
        REGISTRY[requirement_id] = Requirement(
            requirement_id, says, check, needs, needs_not, carries, asks, refused
        )
        return check

    return enter
