"""Tests of recorded streams, to inherit: an adapter's test file names its recipes and nothing else.

Rule: imports no pytest; a subclass called `Test...` is found by it, and gives the fixture
`shared_folder`, beneath which the recordings lie. For authors of adapters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import anyio
import msgspec

from ..step import StepDecoder
from .fixtures import check_fixtures, compare, cut_faults, load_recordings, normalised
from .leaving import leave_faults, shows_leaving
from .replay import Recipe, Recording
from .tally import OPTION
from .tampering import tampered

__all__ = ["RecordingSuite", "SourceSuite"]

JSON: TypeAlias = Any  # any JSON value
Wire: TypeAlias = list[dict[str, JSON]]

GOLDEN = "ai-7.0.173"
EARLIER = "ai-7.0.77"
"""Folders of golden chunks, by the version of the AI SDK that made them."""
ALWAYS = ("closes-open-parts (17.1)", "never-fetches")
"""Differences that no option takes away: the grammar and the trust model come first."""


class RecordingSuite:
    """Recorded streams: whole through the real SDK, cut after every event, and left in mid-stream.

    Attributes:
        recipes: By API; the folder of its recordings has this name.
    """

    recipes: ClassVar[Mapping[str, Recipe]]

    def _checked(self, folder: Path, api: str, recipe: Recipe) -> list[str]:
        lines: list[str] = []

        async def check() -> int:
            golden = folder / "_golden" / GOLDEN
            return (await check_fixtures(folder / api, golden, write=lines.append, recipes=only))[1]

        only = {api: recipe}
        failed = anyio.run(check)
        assert failed == 0, "\n".join(lines)
        assert len(lines) > 1
        return lines

    def test_recordings_give_what_the_ai_sdk_gives(self, shared_folder: Path) -> None:
        """Through the real SDK, split at random bytes; what differs is listed."""
        for api, recipe in self.recipes.items():
            self._checked(shared_folder / "fixtures", api, recipe)

    def test_recordings_cut_after_every_event_obey_the_grammar(self, shared_folder: Path) -> None:
        """Whatever the place of the cut, every part is closed and the step is finished."""
        for api, recipe in self.recipes.items():
            recordings = list(load_recordings(shared_folder / "fixtures" / api))
            assert recordings
            assert [fault for one in recordings for fault in cut_faults(recipe, one)] == []

    def test_golden_chunks_with_one_thing_changed_fail(self, shared_folder: Path) -> None:
        """No listed difference swallows a change; of each recording every fifth is tried."""
        folder = shared_folder / "fixtures"
        for api, recipe in self.recipes.items():
            compared = False
            for number, recording in enumerate(load_recordings(folder / api)):
                path = folder / "_golden" / GOLDEN / api / f"{recording.name}.ui.jsonl"
                if path.exists():
                    compared = True
                    lines = path.read_text("utf-8").split("\n")
                    golden = [json.loads(line) for line in lines if line]
                    changes = islice(tampered(golden), number % 5, None, 5)
                    assert list(_unnoticed(recipe, recording, changes)) == []
            assert compared == (folder / "_golden" / GOLDEN / api).is_dir()

    def test_leaving_closes_the_connection(self, shared_folder: Path) -> None:
        """By leaving the stream and by cancelling its reader; the server sees it at once."""
        for api, recipe in self.recipes.items():
            recordings = load_recordings(shared_folder / "fixtures" / api)
            one = next(each for each in recordings if shows_leaving(recipe, each))
            faults = anyio.run(leave_faults, recipe, one)
            assert faults == [], "\n".join(faults)

    def test_with_the_option_only_broken_streams_differ(self, shared_folder: Path) -> None:
        """`compat="ai-sdk"` leaves no other difference; nothing is asked of a recipe without it."""
        for api, recipe in self.recipes.items():
            if recipe.compat is None:
                continue
            always = replace(recipe, adapter=recipe.compat)
            lines = self._checked(shared_folder / "fixtures", api, always)
            differing = [
                line for line in lines if line.startswith(("listed ", f"equal with {OPTION}"))
            ]
            assert all(line.endswith(ALWAYS) for line in differing)


def _unnoticed(
    recipe: Recipe, recording: Recording, changes: Iterable[tuple[str, Wire]]
) -> Iterator[str]:
    decoder = recipe.decoder(recording)
    chunks = [chunk for event in recording.events for chunk in decoder.feed(json.loads(event))]
    if recipe.tail:
        decoder.done()
    chunks += decoder.end()
    for name, golden in changes:
        if compare(recording, chunks, golden).fault is None:
            yield f"{recording.name}: {name}"


class SourceSuite:
    """`sources="parts"`: the sources of the AI SDK's versions before citations.

    Attributes:
        api: Whose recordings these are.
        names: Of recordings that cite.
    """

    api: ClassVar[str]
    names: ClassVar[tuple[str, ...]]

    def decoder(self) -> StepDecoder:
        """Make the adapter's decoder with `sources="parts"`."""
        raise NotImplementedError

    def test_sources_as_parts_are_those_of_the_earlier_ai_sdk(self, shared_folder: Path) -> None:
        """Each citation is a source, and no text has citations."""
        folder = shared_folder / "fixtures"
        recordings = {one.name: one for one in load_recordings(folder / self.api)}
        for name in self.names:
            wire = list(_told(self.decoder(), recordings[name].events))
            golden = folder / "_golden" / EARLIER / self.api / f"{name}.ui.jsonl"
            lines = golden.read_text("utf-8").splitlines()
            assert _sources(wire) == _sources([json.loads(line) for line in lines])
            assert _sources(wire)
            assert not any("citations" in chunk for chunk in wire)


def _told(decoder: StepDecoder, events: Any) -> Iterator[dict[str, JSON]]:
    for event in events:
        yield from map(msgspec.to_builtins, decoder.feed(json.loads(event)))
    yield from map(msgspec.to_builtins, decoder.end())


def _sources(chunks: Wire) -> Wire:
    return [one for one in normalised(chunks) if one["type"].startswith("source-")]
