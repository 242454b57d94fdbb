"""What every `ChatStore` and every `RunLog` promises, as data: an id, a sentence, a check.

Rule: a check opens the store as processes do, any number of times at once; a store of one process
gives itself each time. Imports no test runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import anyio

from ..transports.http.chat_store import ChatStore
from ..transports.http.run_log import RunLog
from . import _chat_store_requirements, _run_log_requirements
from ._stores import CHAT_STORE, RUN_LOG, Open, StoreRequirement

__all__ = [
    "Open",
    "StoreRequirement",
    "chat_store_requirements",
    "run_log_requirements",
    "run_store_requirement",
]

Store = TypeVar("Store")
TIMEOUT_S = 20.0
_SOURCES = (_chat_store_requirements, _run_log_requirements)


def chat_store_requirements() -> Sequence[StoreRequirement[ChatStore]]:
    """Give what every `ChatStore` promises."""
    return tuple(CHAT_STORE.values())


def run_log_requirements() -> Sequence[StoreRequirement[RunLog]]:
    """Give what every `RunLog` promises."""
    return tuple(RUN_LOG.values())


async def run_store_requirement(
    requirement: StoreRequirement[Store],
    open_store: Open[Store],
    *,
    timeout_s: float | None = TIMEOUT_S,
) -> None:
    """Check one requirement on the running event loop, in chats that nobody else uses.

    Args:
        requirement: One of `chat_store_requirements()` or `run_log_requirements()`.
        open_store: Opens the store.
        timeout_s: Seconds for the check; None waits for ever.

    Raises:
        RequirementFailed: If the store does not keep it.
        TimeoutError: If something that must happen did not.
    """
    with anyio.fail_after(timeout_s):
        await requirement.check(open_store)
