"""Each requirement about resuming fails for a transport that does not keep it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chat_transport._chunk_log import ChunkLog
from chat_transport.errors import ChatTransportError
from chat_transport.inputs import Reconnect
from chat_transport.testing._registry import REGISTRY
from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import RequirementFailed
from chat_transport.testing.requirements import run_requirement
from chat_transport.transport import ChunkStream
from chat_transport.transports.direct import DirectChatTransport

pytestmark = pytest.mark.anyio


def resuming(
    *, start: int | None, snapshot: bool = False, ends: bool = False, when: str = "active"
) -> Any:
    """Resumes from chunk `start` (None: from now), or ends with what there is."""

    class Transport(DirectChatTransport):
        @asynccontextmanager
        async def reconnect_to_stream(
            self, request: Reconnect
        ) -> AsyncGenerator[ChunkStream | None, None]:
            self._check_open("resume")
            run = self._host.running(request.chat_id)
            if run is None or when == "never":
                log = ChunkLog()
                log.close()
                yield log.stream() if when == "always" else None
            elif ends:
                log = ChunkLog()
                log.extend(run.log.since(0))
                log.close()
                yield log.stream()
            else:
                at = len(run.log) if start is None else start
                yield run.log.stream(at, snapshot=snapshot)

    return Transport


SABOTAGE: list[tuple[str, Any]] = [
    ("resume-by-many", resuming(start=None)),
    ("resume-by-many", resuming(start=0, ends=True)),
    ("resume-when-idle", resuming(start=0, when="always")),
    ("resume-at-every-point", resuming(start=None)),
    ("resume-at-every-point", resuming(start=1)),
    ("resume-at-every-point", resuming(start=0, when="never")),
    ("resume-then-live", resuming(start=0, ends=True)),
    ("resume-is-short", resuming(start=0)),
    ("resume-after-leaving", resuming(start=0, when="never")),
    ("resume-after-leaving", resuming(start=None)),
]


@pytest.mark.parametrize(("requirement_id", "sabotaged"), SABOTAGE)
async def test_fails(requirement_id: str, sabotaged: Any) -> None:
    harness = sabotaged
    if isinstance(sabotaged, type):
        harness = DirectHarness(lambda host, user: sabotaged(host, user=user))
    with pytest.raises((RequirementFailed, TimeoutError, ChatTransportError)):
        await run_requirement(REGISTRY[requirement_id], harness, timeout_s=0.5)


def test_every_requirement_of_the_file_is_put_to_the_test() -> None:
    ours = {r.id for r in REGISTRY.values() if r.check.__module__.endswith("_resume_requirements")}
    assert {requirement_id for requirement_id, _ in SABOTAGE} == ours
