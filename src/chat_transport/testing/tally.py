"""How many recordings equal the golden chunks, and how. Rule: counts and words, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["OPTION", "Tally", "summary"]

OPTION = 'compat="ai-sdk"'
"""The option of an adapter that gives the AI SDK's own chunks."""


@dataclass(slots=True)
class Tally:
    """What became of the recordings of one API, each counted once.

    Attributes:
        equal: As the adapter is by default.
        with_option: Only with `compat="ai-sdk"`.
        listed: Neither; the listed differences explain it.
        paragraphs: Of the specification, that ask for what is not equal by default -> recordings.
        failed: Nothing explains it.
        replayed: There is nothing to compare with.
    """

    equal: int = 0
    with_option: int = 0
    listed: int = 0
    failed: int = 0
    replayed: int = 0
    paragraphs: Counter[str] = field(default_factory=Counter[str])

    @property
    def passed(self) -> int:
        """Compared, and not failed."""
        return self.equal + self.with_option + self.listed


def summary(
    streams: Mapping[str, Tally], requests: Mapping[str, Tally], unknown: Mapping[str, int]
) -> Iterator[str]:
    """Give a line for each API, for what has no recipe, and for all streams together.

    Args:
        streams: By API.
        requests: By target.
        unknown: API without a recipe -> its recordings.
    """
    for api, tally in {**streams, **requests}.items():
        yield (
            f"{api}: {tally.passed} passed ({tally.equal} equal, {tally.with_option} equal with "
            f"option, {tally.listed} listed differences), {tally.failed} failed; "
            f"{tally.replayed} more replayed without golden chunks"
        )
    for api, count in unknown.items():
        yield f"{api}: not replayed, no installed adapter has a recipe for it ({count} recordings)"
    yield from _shares(streams)


def _shares(streams: Mapping[str, Tally]) -> Iterator[str]:
    compared = sum(tally.passed + tally.failed for tally in streams.values())
    if not compared:
        return
    equal = sum(tally.equal for tally in streams.values())
    optional = equal + sum(tally.with_option for tally in streams.values())
    listed = sum(tally.listed for tally in streams.values())
    paragraphs = sum((tally.paragraphs for tally in streams.values()), Counter[str]())
    asked = ", ".join(f"{name} ({count})" for name, count in sorted(paragraphs.items()))
    yield f"differences by default, by the paragraph that asks for them: {asked or 'none'}"
    yield f"streams equal by default: {equal} of {compared} ({equal / compared:.1%})"
    yield (
        f"streams equal with {OPTION} where they differ: {optional} of {compared} "
        f"({optional / compared:.1%}); listed differences left: {listed}"
    )
