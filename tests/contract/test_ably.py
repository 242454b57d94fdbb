"""The Ably transport, over the broker with the real SDK, keeps every requirement."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat_transport.testing.harness import Harness
from chat_transport.testing.requirements import Requirement, requirements, run_requirement

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(requirement: Requirement, ably_harness: Callable[[str], Harness]) -> None:
    verdict = await run_requirement(requirement, ably_harness("ai-transport"))
    is_promised = not (
        requirement.needs_not or requirement.refused or "refuses" in requirement.needs
    )
    assert verdict.outcome == ("kept" if is_promised else "not promised")
