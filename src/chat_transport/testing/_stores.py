"""The two lists that requirements of stores write themselves into, by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar
from uuid import uuid4

from ..transports.http.chat_store import ChatStore
from ..transports.http.run_log import RunLog

__all__ = ["CHAT_STORE", "RUN_LOG", "Open", "StoreRequirement", "new_name", "requires"]

Store = TypeVar("Store")
Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens the store under test; what one opening wrote, the next one finds."""
Check: TypeAlias = Callable[[Open[Store]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StoreRequirement(Generic[Store]):
    """A promised behaviour.

    Attributes:
        id: Stable; docs name it.
        says: The promise in one sentence.
        check: Proves it, or raises `RequirementFailed`.
    """

    id: str
    says: str
    check: Check[Store]


CHAT_STORE: dict[str, StoreRequirement[ChatStore]] = {}
RUN_LOG: dict[str, StoreRequirement[RunLog]] = {}


def requires(
    registry: dict[str, StoreRequirement[Store]], requirement_id: str, says: str
) -> Callable[[Check[Store]], Check[Store]]:
    """Enter the decorated check as a requirement."""

    def enter(check: Check[Store]) -> Check[Store]:
        assert requirement_id not in registry, requirement_id
        registry[requirement_id] = StoreRequirement(requirement_id, says, check)
        return check

    return enter


def new_name(kind: str) -> str:
    """Name a chat or run that no other check uses."""
    return f"kit-{kind}-{uuid4().hex}"
