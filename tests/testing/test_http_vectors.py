"""Each HTTP check passes what is recorded and fails what is not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.testing.http_vectors import HTTP_VECTOR_CHECKS

SPOILED: dict[str, tuple[str, Any]] = {
    "requests": ("request", {"url": "/elsewhere"}),
    "websocket": ("log", []),
    "websocket-frames": ("valid", None),
}


@pytest.mark.parametrize("group", sorted(HTTP_VECTOR_CHECKS))
def test_every_recorded_case_passes(group: str, ui_vectors: Path):
    cases = json.loads((ui_vectors / f"{group}.json").read_text())
    check = HTTP_VECTOR_CHECKS[group]
    assert {case["name"]: found for case in cases if (found := list(check(case)))} == {}


@pytest.mark.parametrize("group", sorted(HTTP_VECTOR_CHECKS))
def test_another_result_is_noticed(group: str, ui_vectors: Path):
    case = copy.deepcopy(json.loads((ui_vectors / f"{group}.json").read_text())[0])
    key, value = SPOILED[group]
    case[key] = (not case[key]) if value is None else value
    assert list(HTTP_VECTOR_CHECKS[group](case))
