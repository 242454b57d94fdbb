"""What every `ChatTransport` promises, as data: an id, a sentence, a check.

Rule: a wire that cannot do something says so in its capabilities or is excused with a reason, in
data; nothing is skipped silently. Imports no test runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import anyio

from ..errors import ChatTransportError
from . import (
    _chat_requirements,
    _end_requirements,
    _resume_requirements,
    _retry_requirements,
    _stream_requirements,
    _trust_requirements,
)
from ._registry import REGISTRY, Requirement
from .harness import Harness, RequirementFailed, Scene
from .puppet import Puppet

__all__ = ["Requirement", "Verdict", "requirements", "run_requirement"]

TIMEOUT_S = 20.0
"""Seconds for one requirement, stage included."""
_SOURCES = (
    _stream_requirements,
    _end_requirements,
    _resume_requirements,
    _retry_requirements,
    _chat_requirements,
    _trust_requirements,
)
Outcome: TypeAlias = Literal["kept", "not promised", "excused"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a requirement that did not fail.

    Attributes:
        why: For `not promised`, the capabilities; for `excused`, the harness's reason.
    """

    outcome: Outcome
    why: str = ""


def requirements() -> Sequence[Requirement]:
    """Give all requirements, in the order of their files."""
    return tuple(REGISTRY.values())


async def run_requirement(
    requirement: Requirement, harness: Harness, *, timeout_s: float | None = TIMEOUT_S
) -> Verdict:
    """Check one requirement over a transport, on the running event loop.

    Args:
        requirement: One of `requirements()`.
        harness: Reaches the transport.
        timeout_s: Seconds for the check; None waits for ever.

    Raises:
        RequirementFailed: If the transport does not keep it, or is excused and keeps it.
        TimeoutError: If something that must happen did not.
    """
    excuse = harness.excused.get(requirement.id)
    try:
        with anyio.fail_after(timeout_s):
            lacking = await _play(requirement, harness)
    except (RequirementFailed, TimeoutError, ChatTransportError):
        if excuse is None:
            raise
        return Verdict("excused", excuse)
    if lacking:
        return Verdict("not promised", f"capabilities: {', '.join(lacking)}")
    if excuse is not None:
        raise RequirementFailed(f"{requirement.id} is excused ({excuse}), but it is kept")
    return Verdict("kept")


async def _play(requirement: Requirement, harness: Harness) -> Sequence[str]:
    puppet = Puppet()
    async with harness.stage(puppet.handler, puppet.on_end) as make_client:
        scene = Scene(agent=puppet, make_client=make_client)
        lacking = requirement.lacking(scene.client().capabilities)
        if not lacking:
            await requirement.check(scene)
    return lacking
