"""The Ably transport, over the broker with the real SDK, keeps every requirement."""

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
Settle = Callable[[str, Requirement, Verdict], None]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(
    requirement: Requirement, ably_harness: Callable[[str], Harness], settle: Settle
) -> None:
    verdict = await run_requirement(requirement, ably_harness("ai-transport"))
    settle("`ai-transport`", requirement, verdict)
