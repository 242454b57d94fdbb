"""Running a requirement: kept, not promised, excused, or failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import anyio
import pytest

from chat_transport.testing._registry import Requirement
from chat_transport.testing.direct_harness import DirectHarness
from chat_transport.testing.harness import RequirementFailed, Scene, expect
from chat_transport.testing.requirements import requirements, run_requirement
from chat_transport.transport import Capabilities

pytestmark = pytest.mark.anyio


async def fails(scene: Scene) -> None:
    expect(not scene.chat_id, "seen")


async def keeps(scene: Scene) -> None:
    expect(bool(scene.chat_id), "seen")


async def hangs(scene: Scene) -> None:
    await anyio.sleep_forever()


class Excused(DirectHarness):
    excused: ClassVar[Mapping[str, str]] = {"x": "the wire has no room for it"}


def requirement(check: object, **fields: object) -> Requirement:
    return Requirement("x", "It holds.", check, **fields)  # type: ignore[arg-type]


async def test_what_holds_is_kept() -> None:
    assert (await run_requirement(requirement(keeps), DirectHarness())).outcome == "kept"


@pytest.mark.parametrize(("check", "error"), [(fails, RequirementFailed), (hangs, TimeoutError)])
async def test_what_does_not_hold_fails_or_is_excused(
    check: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await run_requirement(requirement(check), DirectHarness(), timeout_s=0.05)
    verdict = await run_requirement(requirement(check), Excused(), timeout_s=0.05)
    assert (verdict.outcome, verdict.why) == ("excused", "the wire has no room for it")


async def test_an_excuse_that_is_not_needed_fails() -> None:
    with pytest.raises(RequirementFailed, match="but it is kept"):
        await run_requirement(requirement(keeps), Excused())


async def test_what_the_capabilities_do_not_promise_is_not_checked() -> None:
    for fields in ({"needs": ("presence",)}, {"needs_not": ("resumes",)}):
        verdict = await run_requirement(requirement(fails, **fields), DirectHarness())
        assert verdict.outcome == "not promised"
    assert verdict.why == "capabilities: not resumes"


def test_ids_are_words_and_sentences_are_sentences() -> None:
    assert len(requirements()) >= 40, len(requirements())
    for item in requirements():
        assert item.id == item.id.lower().replace(" ", "-")
        assert item.says[0].isupper() or item.says.startswith("`drain`")
        assert item.says.endswith((".", "None."))


def test_what_is_lacking_is_said() -> None:
    capabilities = Capabilities(
        resumes=True, drops=frozenset({"file"}), refuses=frozenset({"edit"})
    )
    assert requirement(keeps, needs=("resumes",), refused=("edit",)).lacking(capabilities) == ()
    doubtful = requirement(
        keeps,
        needs=("history",),
        needs_not=("resumes",),
        carries=("file", "custom"),
        asks=("edit", "approval"),
        refused=("edit", "regenerate"),
    )
    assert doubtful.lacking(capabilities) == (
        "history",
        "not resumes",
        "drops file",
        "refuses edit",
        "does not refuse regenerate",
    )
