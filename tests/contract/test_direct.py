"""The direct transport, bare and under the debug transport, keeps every requirement."""

from __future__ import annotations

import pytest

from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.requirements import Requirement, requirements, run_requirement
from chat_transport.transports.debug import DebugChatTransport
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio
BARE = DirectHarness()
SHOWN = DirectHarness(lambda host, user: DebugChatTransport(DirectChatTransport(host, user=user)))


@pytest.mark.parametrize("harness", [BARE, SHOWN], ids=["direct", "debug"])
@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.id)
async def test_keeps(requirement: Requirement, harness: DirectHarness) -> None:
    verdict = await run_requirement(requirement, harness)
    is_promised = not (requirement.needs_not or requirement.refused)
    is_promised &= not {"presence", "refuses"} & set(requirement.needs)
    assert verdict.outcome == ("kept" if is_promised else "not promised")
