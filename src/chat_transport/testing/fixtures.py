"""Recorded provider streams through real SDKs and adapters, beside what the AI SDK made of them.

Rule: ids are compared by order of appearance, `messageMetadata` and the names of error classes are
not compared; every other difference fails, unless `differences` lists it.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import msgspec

from ..chunks import Error, UIMessageChunk
from ..messages import UIMessage
from ..step import UNEXPECTED
from .differences import DIFFERENCES
from .grammar import grammar_faults
from .replay import Recipe, Recording, random_splits, replay_server
from .requests import check_requests
from .tally import OPTION, Tally, summary

__all__ = [
    "Outcome",
    "check_fixtures",
    "compare",
    "cut_faults",
    "find_recipes",
    "load_recordings",
    "normalised",
    "replay",
]

JSON: TypeAlias = Any  # any JSON value
Wire: TypeAlias = list[dict[str, JSON]]

TIMEOUT_S = 30.0
"""Seconds for one replay: the server is local and never pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one recording fared.

    Attributes:
        compared: There are golden chunks.
        listed: Names of the listed differences that it shows.
        with_option: With `compat="ai-sdk"` it equals the golden chunks.
        fault: What is wrong; None if nothing is.
    """

    recording: Recording
    compared: bool
    listed: tuple[str, ...] = ()
    with_option: bool = False
    fault: str | None = None


_PARAGRAPHS = {difference.name: difference.paragraph for difference in DIFFERENCES}


def find_recipes() -> dict[str, Recipe]:
    """Give the recipes that installed adapters offer, by API. A broken one raises as it is."""
    found = entry_points(group="chat_transport.recordings")
    return {entry.name: entry.load()() for entry in found}


def load_recordings(folder: Path) -> Iterator[Recording]:
    """Read every recording under a folder of APIs, or in the folder of one."""
    index = _providers(folder)
    if any(folder.glob("*.jsonl")):
        folders = [folder]
        index = index or _providers(folder.parent)
    else:
        folders = [one for one in sorted(folder.iterdir()) if one.is_dir() and one.name[0] != "_"]
    for api in folders:
        for path in sorted(api.glob("*.jsonl")):
            name = path.name.removesuffix(".jsonl")
            request = path.with_name(f"{name}.request.json")
            yield Recording(
                api=api.name,
                name=name,
                events=[line for line in path.read_text("utf-8").split("\n") if line.strip()],
                request=json.loads(request.read_text("utf-8")) if request.exists() else None,
                provider=index.get(f"{api.name}/{path.name}"),
            )


def _providers(folder: Path) -> Mapping[str, str]:
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return {}
    rows = json.loads(manifest.read_text("utf-8"))
    return {row["file"]: row["golden_provider"] for row in rows if row.get("golden_provider")}


async def replay(
    recipe: Recipe, recording: Recording, *, seed: int = 0, compat: bool = False
) -> list[UIMessageChunk]:
    """Give what the real adapter makes of a recording whose bytes come randomly split.

    Args:
        recipe: Of the recording's API.
        recording: What the provider sent.
        seed: Chooses where the bytes are split.
        compat: Use the adapter with `compat="ai-sdk"`, if the recipe has one.
    """
    make = (recipe.compat if compat else None) or recipe.adapter
    answer = recipe.answer(recording, split=random_splits(seed))
    messages = [UIMessage.user("replay", id="u")]
    async with replay_server(answer) as server:
        adapter = make(server.url, recording)
        try:
            stream = adapter.stream(
                messages, tools=recipe.tools(recording), settings=recipe.settings(recording)
            )
            with anyio.fail_after(TIMEOUT_S):
                async with aclosing(stream) as chunks:  # type: ignore[type-var]  # adapters give generators
                    return [chunk async for chunk in chunks]
        finally:
            await adapter.aclose()


def cut_faults(recipe: Recipe, recording: Recording) -> Iterator[str]:
    """Say what is wrong with a recording that is cut after each of its events."""
    decoder = recipe.decoder(recording)
    chunks: list[UIMessageChunk] = []
    for index, event in enumerate(recording.events):
        for fault in grammar_faults([*chunks, *copy.deepcopy(decoder).end()]):
            yield f"{recording.name} cut before event {index}: {fault}"
        chunks += decoder.feed(json.loads(event))


async def _outcome(recipe: Recipe, recording: Recording, golden: Wire | None) -> Outcome:
    compared = golden is not None
    try:
        ours = await replay(recipe, recording)
    except Exception as error:  # noqa: BLE001  # one bad recording must not end the check
        fault = f"{type(error).__name__}: {error}"
        return Outcome(recording=recording, compared=compared, fault=fault)
    unexpected = [one.error_text for one in ours if isinstance(one, Error)]
    faults = [text for text in unexpected if text.startswith(UNEXPECTED)] + grammar_faults(ours)
    if faults:
        return Outcome(recording=recording, compared=compared, fault=faults[0])
    if golden is None:
        return Outcome(recording=recording, compared=False)
    outcome = compare(recording, ours, golden)
    if not outcome.listed or outcome.fault is not None or recipe.compat is None:
        return outcome
    theirs = await replay(recipe, recording, compat=True)
    is_equal = not grammar_faults(theirs) and _wire(theirs) == normalised(golden)
    return replace(outcome, with_option=is_equal)


def _wire(chunks: Sequence[UIMessageChunk]) -> Wire:
    return normalised([msgspec.to_builtins(chunk) for chunk in chunks])


def compare(
    recording: Recording, chunks: Sequence[UIMessageChunk], golden: Sequence[dict[str, JSON]]
) -> Outcome:
    """Say how our chunks of a recording differ from golden ones, and by which listed differences.

    Args:
        recording: Where the chunks come from.
        chunks: What an adapter gave.
        golden: In wire form, ids as they came.
    """
    ours, theirs = _wire(chunks), normalised(golden)
    if ours == theirs:
        return Outcome(recording=recording, compared=True)
    counted = renumbered(theirs)
    for difference in DIFFERENCES:
        if renumbered(difference.settle(recording, ours, theirs)) == counted:
            return Outcome(recording=recording, compared=True, listed=(difference.name,))
    listed: list[str] = []
    for difference in DIFFERENCES:
        settled = difference.settle(recording, ours, theirs)
        if settled != ours:
            listed.append(difference.name)
            ours, theirs = renumbered(settled), counted
        if ours == theirs:
            break
    fault = None if ours == theirs else _first_difference(ours, theirs)
    return Outcome(recording=recording, compared=True, listed=tuple(listed), fault=fault)


def _first_difference(ours: Wire, theirs: Wire) -> str:
    for index in range(max(len(ours), len(theirs))):
        mine = ours[index] if index < len(ours) else None
        other = theirs[index] if index < len(theirs) else None
        if mine != other:
            return f"chunk {index}: ours {_short(mine)} golden {_short(other)}"
    return "equal"


def _short(chunk: JSON) -> str:
    text = json.dumps(chunk, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}..."


_ERROR_CLASS = re.compile(r"^AI_\w+: ")
_NUMBERED = {"toolCallId": "call", "sourceId": "source", "approvalId": "approval"}


def normalised(chunks: Sequence[dict[str, JSON]]) -> Wire:
    """Leave out what is not compared, and number the ids."""
    kept: Wire = []
    for chunk in chunks:
        if chunk["type"] in {"start", "message-metadata"}:
            continue
        copy = {k: v for k, v in chunk.items() if k not in {"messageMetadata", "__extra__"}}
        if copy["type"] == "error":
            copy["errorText"] = _ERROR_CLASS.sub("", copy.get("errorText", ""))
        kept.append(copy)
    return renumbered(kept)


def renumbered(chunks: Sequence[dict[str, JSON]]) -> Wire:
    """Name parts and calls by their order of appearance."""
    names: dict[tuple[str, str], str] = {}
    counts: Counter[str] = Counter()

    def name(kind: str, value: str, *, fresh: bool = False) -> str:
        if fresh or (kind, value) not in names:
            counts[kind] += 1
            names[kind, value] = f"{kind}-{counts[kind]}"
        return names[kind, value]

    numbered: Wire = []
    for chunk in chunks:
        copy = dict(chunk)
        kind, _, step = copy["type"].partition("-")
        if kind in {"text", "reasoning"} and "id" in copy:
            copy["id"] = name(kind, copy["id"], fresh=step == "start")
        for key, prefix in _NUMBERED.items():
            if key in copy:
                copy[key] = name(prefix, copy[key])
        numbered.append(copy)
    return numbered


async def check_fixtures(
    folder: Path,
    golden: Path | None = None,
    *,
    write: Callable[[str], object] = print,
    recipes: Mapping[str, Recipe] | None = None,
) -> tuple[int, int]:
    """Replay a folder of recordings and compare; give how many passed and how many failed.

    Writes a line for each recording that differs, then one for each API, then the sum. A recording
    that differs by listed differences is replayed again with the adapter's `compat="ai-sdk"`.

    Args:
        folder: Recordings, `API/NAME.jsonl`, or one API's folder.
        golden: Golden chunks, `API/NAME.ui.jsonl`, or one API's folder; None only replays.
        write: Takes the lines.
        recipes: How each API is replayed; None takes what installed adapters offer.
    """
    known = find_recipes() if recipes is None else recipes
    streams: dict[str, Tally] = {}
    unknown: Counter[str] = Counter()
    for recording in load_recordings(folder):
        recipe = known.get(recording.api)
        if recipe is None:
            unknown[recording.api] += 1
            continue
        outcome = await _outcome(recipe, recording, _golden_chunks(golden, recording))
        _count(streams.setdefault(recording.api, Tally()), outcome)
        line = _line(outcome)
        if line is not None:
            write(line)
    requests: dict[str, Tally] = {}
    if golden is not None:
        _check_requests(golden.parent / "requests" / golden.name, known, requests, write)
    for line in summary(streams, requests, unknown):
        write(line)
    everything = [*streams.values(), *requests.values()]
    passed = sum(tally.passed for tally in everything)
    if golden is None:
        passed = sum(tally.replayed for tally in everything)
    failed = sum(tally.failed for tally in everything)
    write(f"{passed} passed, {failed} failed")
    return passed, failed


def _count(tally: Tally, outcome: Outcome) -> None:
    if outcome.fault is None:
        tally.paragraphs.update({_PARAGRAPHS[name] for name in outcome.listed})
    if outcome.fault is not None:
        tally.failed += 1
    elif not outcome.compared:
        tally.replayed += 1
    elif outcome.with_option:
        tally.with_option += 1
    elif outcome.listed:
        tally.listed += 1
    else:
        tally.equal += 1


def _line(outcome: Outcome) -> str | None:
    name = f"{outcome.recording.api}/{outcome.recording.name}"
    if outcome.fault is not None:
        return f"FAILED {name}: {outcome.fault}"
    if not outcome.listed:
        return None
    listed = ", ".join(f"{name} ({_PARAGRAPHS[name]})" for name in outcome.listed)
    if outcome.with_option:
        return f"equal with {OPTION} {name}: {listed}"
    return f"listed {name}: {listed}"


def _check_requests(
    folder: Path,
    recipes: Mapping[str, Recipe],
    tallies: dict[str, Tally],
    write: Callable[[str], object],
) -> None:
    """Compare requests too, where golden requests lie beside the golden chunks."""
    targets = {name: body for recipe in recipes.values() for name, body in recipe.requests.items()}
    for outcome in check_requests(folder, targets):
        tally = tallies.setdefault(f"requests to {outcome.target}", Tally())
        name = f"requests/{outcome.case} to {outcome.target}"
        if outcome.fault is not None:
            tally.failed += 1
            write(f"FAILED {name}: {outcome.fault}")
        elif outcome.listed is not None:
            tally.listed += 1
            write(f"listed {name}: {outcome.listed}")
        else:
            tally.equal += 1


def _golden_chunks(golden: Path | None, recording: Recording) -> Wire | None:
    if golden is None:
        return None
    name = f"{recording.name}.ui.jsonl"
    for path in (golden / recording.api / name, golden / name):
        if path.exists():
            return [
                json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()
            ]
    return None
