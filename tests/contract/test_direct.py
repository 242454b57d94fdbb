"""The direct transport, bare and under the debug transport, keeps every requirement."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.requirements import (
    Requirement,
    Verdict,
    requirements,
    run_requirement,
)
from chat_transport.transports.debug import DebugChatTransport
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio
BARE = DirectHarness()
SHOWN = DirectHarness(lambda host, user: DebugChatTransport(DirectChatTransport(host, user=user)))


@pytest.mark.parametrize("harness", [BARE, SHOWN], ids=["direct", "debug"])
@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(
    requirement: Requirement,
    harness: DirectHarness,
    settle: Callable[[str, Requirement, Verdict], None],
) -> None:
    settle("direct", requirement, await run_requirement(requirement, harness))
