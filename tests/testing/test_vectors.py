from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat_transport.testing.vectors import run_case, run_vectors

MERGE = {
    "name": "merge/own",
    "group": "merge",
    "base": {"a": 1},
    "override": {"b": 2},
    "result": {"a": 1, "b": 2},
}


def report(path: Path) -> tuple[tuple[int, int], list[str]]:
    lines: list[str] = []
    return run_vectors(path, lines.append), lines


def test_our_copy_of_the_vectors_passes(ui_vectors: Path):
    (passed, failed), lines = report(ui_vectors)
    assert lines == [f"{passed} passed, 0 failed"]
    assert failed == 0
    assert passed >= 1_310


def test_every_shared_vector_passes(shared_folder: Path):
    (passed, failed), lines = report(shared_folder / "vectors" / "ui")
    assert failed == 0, lines
    assert passed >= 1_300


def test_a_failing_case_has_a_line(tmp_path: Path):
    wrong = {**MERGE, "name": "merge/wrong", "result": {}}
    (tmp_path / "merge.json").write_text(json.dumps([MERGE, wrong]))
    assert report(tmp_path) == (
        (1, 1),
        [
            'FAILED merge merge/wrong: result: found {"a": 1, "b": 2}, expected {}',
            "1 passed, 1 failed",
        ],
    )


def test_a_group_is_known_by_folder_file_or_shape(tmp_path: Path, ui_vectors: Path):
    reduce = json.loads((ui_vectors / "reduce.json").read_text())[0]
    (tmp_path / "reduce").mkdir()
    (tmp_path / "reduce" / "one.json").write_text(json.dumps(reduce))
    (tmp_path / "two.json").write_text(json.dumps(reduce))
    (tmp_path / "merge.json").write_text(json.dumps([{**MERGE, "group": "other"}]))
    assert report(tmp_path)[0] == (3, 0)
    assert report(tmp_path / "two.json")[0] == (1, 0)


def test_groups_without_a_check_and_broken_files_are_told(tmp_path: Path):
    (tmp_path / "novel.json").write_text('[{"name": "a"}, {"name": "b"}]')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "index.json").write_text("{}")
    counts, lines = report(tmp_path)
    assert counts == (0, 1)
    assert lines[0].startswith("FAILED")
    assert "not run: 2 cases of group 'novel': no check for this group" in lines


def test_a_missing_path_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        report(tmp_path / "nowhere")


def test_a_case_that_breaks_a_check_fails():
    problem = run_case("merge", {"name": "x", "base": 1})
    assert problem is None or "expected" in problem
    assert "KeyError" in str(run_case("reduce", {"name": "x"}))
