from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.testing._vector_server import check_server
from chat_transport.testing._vector_tools import VectorFailed


def case(folder: Path, name: str) -> dict[str, Any]:
    found = json.loads((folder / "server.json").read_text())
    return copy.deepcopy(next(item for item in found if item["name"] == name))


def test_sources_may_interleave_but_keep_their_order(ui_vectors: Path):
    merged = case(ui_vectors, "server/merge-then-write-continues")
    note = merged["chunks"].pop(1)
    merged["chunks"].insert(3, note)
    check_server(merged)
    merged["chunks"][1], merged["chunks"][2] = merged["chunks"][2], merged["chunks"][1]
    with pytest.raises(VectorFailed, match="chunks of one source"):
        check_server(merged)


def test_a_lost_callback_is_noticed(ui_vectors: Path):
    basic = case(ui_vectors, "server/write-basic")
    basic["events"] = []
    with pytest.raises(VectorFailed, match="events"):
        check_server(basic)


def test_sources_that_look_alike_are_compared_together(ui_vectors: Path):
    merged = case(ui_vectors, "server/merge-one")
    words = [
        {"type": "text-start", "id": "t"},
        {"type": "text-delta", "id": "t", "delta": "merged"},
        {"type": "text-end", "id": "t"},
    ]
    merged["script"] = [{"merge": words}, {"merge": words}]
    merged["options"]["has_end_callback"] = False
    merged["events"] = []
    merged["chunks"] = [words[0], words[0], words[1], words[1], words[2], words[2]]
    check_server(merged)
    with pytest.raises(VectorFailed, match="chunks"):
        check_server({**merged, "chunks": merged["chunks"][1:]})
