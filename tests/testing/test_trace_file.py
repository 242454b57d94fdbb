from __future__ import annotations

import json

import pytest

from chat_transport.testing._trace_file import read_trace, widened

PUBLISH = {
    "by": "alice",
    "op": "publish",
    "messages": [{"name": "ai-input", "data": "a"}, {"name": "ai-input", "data": "b"}],
    "serials": ["S9", "S10"],
}
APPEND = {"by": "agent", "op": "append", "messages": [{"serial": "S9", "data": "c"}]}


def written(tmp_path, *operations):
    file = tmp_path / "1-x.jsonl"
    file.write_text("\n".join(json.dumps(operation) for operation in operations), "utf-8")
    return file


def test_serials_are_widened_so_that_they_sort(tmp_path):
    trace = read_trace(written(tmp_path, PUBLISH, APPEND))
    first, second = trace.operations
    assert [inbound.serial for inbound in first.deliveries()] == ["S000009", "S000010"]
    (grown,) = second.deliveries()
    assert (grown.action, grown.version) == ("append", "S000009:000001")
    assert (trace.name, trace.meta) == ("1-x", {})


def test_only_serials_are_widened():
    assert widened({"serial": "S7", "data": "S7", "serials": ["S7", 7]}) == {
        "serial": "S000007",
        "data": "S7",
        "serials": ["S000007", 7],
    }


def test_a_refused_operation_is_marked(tmp_path):
    (operation,) = read_trace(written(tmp_path, {**APPEND, "rejected": True})).operations
    assert operation.refused


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"op": "delete", "by": "x", "messages": []}'])
def test_a_line_that_is_no_operation_is_named(tmp_path, line):
    file = tmp_path / "1-x.jsonl"
    file.write_text(f"{json.dumps(PUBLISH)}\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"1-x\.jsonl line 2 is no operation"):
        read_trace(file)


def test_the_payload_is_known_by_its_words(tmp_path):
    codec = {"codec": {"partType": "input_text"}}
    spoken = {**PUBLISH, "messages": [{"extras": {"ai": codec}}], "serials": ["S1"]}
    assert not read_trace(written(tmp_path, spoken)).speaks_ui
    assert read_trace(written(tmp_path, PUBLISH)).speaks_ui
