from __future__ import annotations

import json
from pathlib import Path

from chat_transport.chunks import DataChunk, File, TextEnd, TextStart
from chat_transport.reducer import MessageReducer
from chat_transport.reducer._fold_content import CONTENT_FOLDS
from chat_transport.testing.vectors import run_case

OTHER_TESTS = ("tool/", "approval/", "partial-json/", "dynamic-tool/")


def test_recorded_content_folds_as_in_ai_sdk(ui_vectors: Path):
    cases = [
        case
        for case in json.loads((ui_vectors / "reduce.json").read_text())
        if not case["name"].startswith(OTHER_TESTS)
    ]
    assert len(cases) > 100
    assert {case["name"]: problem for case in cases if (problem := run_case("reduce", case))} == {}


def test_only_known_fields_of_a_file_become_a_part():
    reducer = MessageReducer(message_id="m")
    reducer.feed(File(url="u", media_type="m/t", extra={"filename": "f"}))
    assert reducer.message.parts[0].to_wire() == {"type": "file", "url": "u", "mediaType": "m/t"}


def test_data_of_a_known_id_is_replaced_in_its_place():
    reducer = MessageReducer(message_id="m")
    reducer.feed(DataChunk(type="data-x", data=1, id="", extra={"k": 1}))
    reducer.feed(TextStart(id="t"))
    reducer.feed(DataChunk(type="data-x", data=None, id=""))
    assert reducer.message.parts[0].to_wire() == {"type": "data-x", "id": "", "data": None, "k": 1}


def test_an_id_may_be_used_again_after_its_end():
    reducer = MessageReducer(message_id="m")
    for chunk in (
        TextStart(id="t"),
        TextEnd(id="t"),
        TextStart(id="t"),
        TextEnd(id="t", citations=[]),
    ):
        reducer.feed(chunk)
    assert [part.to_wire().get("citations") for part in reducer.message.parts] == [None, []]


def test_every_class_has_one_fold():
    assert all(callable(fold) for fold in CONTENT_FOLDS.values())
    assert len(CONTENT_FOLDS) == 18
