from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chat_transport.testing._every_group import EVERY_CHECK
from chat_transport.testing._vector_tools import VectorFailed
from chat_transport.testing.vectors import run_case

from .spoiled import pattern, spoil, spoilings

EXPECTATIONS: Mapping[str, tuple[str, ...]] = {
    "chat": ("trace", "final_messages", "final_status", "ids_generated"),
    "compat": ("accepted",),
    "convert": ("result", "error", "error_name"),
    "merge": ("result",),
    "partial-json": ("state", "value", "value_is_undefined", "repaired_text"),
    "predicates": ("complete_with_tool_calls", "complete_with_approval_responses"),
    "prune": ("result",),
    "reduce": (
        *("messages", "writes", "final_message", "finish_reason", "open_text_ids"),
        *("open_reasoning_ids", "data_events", "tool_call_events", "schema_invalid_chunks"),
        *("error", "errors"),
    ),
    "requests": ("request", "error_name", "prepare_received"),
    "response-id": ("result",),
    "schema": ("valid", "output"),
    "server": ("chunks", "events", "error"),
    "smooth": ("output",),
    "sse": ("result", "chunks", "error", "error_name", "failed_at", "error_status"),
    "validate": ("valid", "output", "error_name"),
    "websocket": ("log",),
    "websocket-frames": ("valid", "error"),
    "wire": ("status", "headers", "body"),
}
"""What a case of a group expects. `emission` has none: its chunks are given and expected."""
NOT_OURS: Mapping[tuple[str, str], str] = {
    ("convert", "error"): "the words of JavaScript's errors",
    ("sse", "error"): "the words of JavaScript's parsers",
    ("chat", "trace.*.events.*.message"): "the words of JavaScript's errors",
    ("chat", "trace.*.events.*.abort_signal"): "a cancelled scope has no listener",
    ("chat", "trace.*.events.*"): "as above",
    ("chat", "trace.*"): "rows have no fields beyond those that are compared",
    ("chat", "trace.*.step"): "the number of the row says it too",
    ("sse", "chunks.*.data"): "a number beyond those that JavaScript tells apart",
}
"""Group and place that may differ -> why. A field that is not recorded expects nothing."""
PLACES = {"chat": 1, "compat": 1}
"""Places that are spoiled in each case of a group that takes long; 6 in the others."""


def test_every_kind_of_case_has_its_check():
    assert {"reduce", "sse", "predicates", "requests", "websocket", "chat"} <= EVERY_CHECK.keys()
    assert EVERY_CHECK.keys() - EXPECTATIONS.keys() == {"emission"}


def test_a_difference_fails_the_case():
    case = {
        "config": {},
        "steps": [],
        "trace": [],
        "final_messages": [],
        "final_status": "error",
        "ids_generated": 0,
    }
    with pytest.raises(VectorFailed, match="final status: got 'ready', expected 'error'"):
        EVERY_CHECK["chat"](case)
    EVERY_CHECK["chat"]({**case, "final_status": "ready"})


def cases(folder: Path, group: str) -> list[dict[str, Any]]:
    if (folder / group).is_dir():
        return [json.loads(file.read_bytes()) for file in sorted((folder / group).glob("*.json"))]
    return json.loads((folder / f"{group}.json").read_bytes())


def survivors(group: str, case: dict[str, Any], count: int) -> list[str]:
    """Spoil `count` places, one at a time; give those that the check did not notice."""
    found = [
        ((key, *place), how)
        for key in EXPECTATIONS[group]
        if key in case
        for place, how in spoilings(case[key])
        if (place or how == "change") and (group, pattern((key, *place))) not in NOT_OURS
        if not (group == "compat" and how == "drop")  # asks of one version less
    ]
    chosen = random.Random(str(case["name"])).sample(found, min(count, len(found)))
    return [
        f"{case['name']}: {how} {place}"
        for place, how in chosen
        if run_case(group, spoil(case, (place, how))) is None
    ]


@pytest.mark.parametrize("group", sorted(EXPECTATIONS))
def test_no_wrong_expectation_passes(group: str, ui_vectors: Path):
    count = PLACES.get(group, 6)
    assert not [s for case in cases(ui_vectors, group) for s in survivors(group, case, count)]


@pytest.mark.parametrize("group", sorted(EXPECTATIONS))
def test_no_wrong_expectation_passes_in_the_shared_vectors(group: str, shared_folder: Path):
    count = PLACES.get(group, 6)
    known = cases(shared_folder / "vectors" / "ui", group)
    assert not [s for case in known for s in survivors(group, case, count)]
