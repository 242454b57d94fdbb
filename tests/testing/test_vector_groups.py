"""Each check must be able to fail: a recorded case with another result must not pass."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.testing._vector_groups import CHECKS
from chat_transport.testing._vector_tools import VectorFailed

SPOILED: dict[str, tuple[str, Any]] = {
    "reduce": ("finish_reason", "spoiled"),
    "schema": ("output", {"type": "spoiled"}),
    "compat": ("accepted", {"7.0.173": "spoiled"}),
    "partial-json": ("state", "spoiled"),
    "merge": ("result", "spoiled"),
    "sse": ("result", "spoiled"),
    "wire": ("body", "spoiled"),
    "response-id": ("result", "spoiled"),
    "predicates": ("complete_with_tool_calls", "spoiled"),
    "validate": ("output", "spoiled"),
    "convert": ("result", "spoiled"),
    "prune": ("result", "spoiled"),
    "smooth": ("output", "spoiled"),
    "emission": ("chunks", [{"type": "start", "messageId": 5}]),
    "server": ("events", "spoiled"),
}


def cases(folder: Path, group: str) -> list[dict[str, Any]]:
    found = json.loads((folder / f"{group}.json").read_text())
    return [case for case in found if case.get("valid", True) and not case.get("error")]


@pytest.mark.parametrize("group", sorted(CHECKS))
def test_a_check_passes_what_is_right_and_fails_what_is_not(group: str, ui_vectors: Path):
    case = cases(ui_vectors, group)[0]
    CHECKS[group](case)
    key, value = SPOILED[group]
    spoiled = copy.deepcopy(case) | {key: value}
    with pytest.raises((VectorFailed, Exception), match=r".+"):
        CHECKS[group](spoiled)


@pytest.mark.parametrize("group", ["schema", "validate"])
def test_what_is_refused_must_be_recorded_as_refused(group: str, ui_vectors: Path):
    refused = next(
        c for c in json.loads((ui_vectors / f"{group}.json").read_text()) if not c["valid"]
    )
    CHECKS[group](refused)
    with pytest.raises(VectorFailed, match="refused"):
        CHECKS[group]({**refused, "valid": True})
