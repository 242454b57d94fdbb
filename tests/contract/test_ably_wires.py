"""The older wires of the Ably transport keep every requirement that their capabilities promise.

Rule: no requirement is excused for a wire by name; one that is not promised is so because of what
the wire says in `drops`, `refuses` and its other capabilities.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat_transport.testing.harness import Harness
from chat_transport.testing.requirements import (
    Requirement,
    Verdict,
    requirements,
    run_requirement,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("wire", ["message-per-response", "message-per-token", "ai-sdk-transport"])
@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(
    requirement: Requirement,
    wire: str,
    ably_harness: Callable[[str], Harness],
    settle: Callable[[str, Requirement, Verdict], None],
) -> None:
    settle(f"`{wire}`", requirement, await run_requirement(requirement, ably_harness(wire)))
