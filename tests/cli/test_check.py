from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chat_transport.cli.main import run


def test_checking_gives_a_line_for_each_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    case = {"name": "merge/own", "base": {"a": 1}, "override": {"b": 2}, "result": {"a": 1, "b": 2}}
    wrong = {**case, "name": "merge/wrong", "result": {}}
    (tmp_path / "merge.json").write_text(json.dumps([case]))
    with pytest.raises(SystemExit) as ended:
        run(["check", "vectors", str(tmp_path)])
    assert (ended.value.code, capsys.readouterr().out) == (0, "1 passed, 0 failed\n")
    (tmp_path / "merge.json").write_text(json.dumps([case, wrong]))
    with pytest.raises(SystemExit) as ended:
        run(["check", "vectors", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert "merge/wrong" in lines[0]
    assert lines[-1] == "1 passed, 1 failed"


def test_checking_nothing_is_refused(tmp_path: Path, refused: Callable[..., str]):
    assert "there is nothing to check" in refused("check", "vectors", str(tmp_path))


def test_recorded_streams_need_recordings_and_golden_chunks(
    tmp_path: Path, refused: Callable[..., str]
):
    assert "no such folder" in refused("check", "fixtures", str(tmp_path), "--golden", "/nowhere")
    assert "there is nothing to check" in refused("check", "fixtures", str(tmp_path))


def test_recorded_streams_are_compared_with_golden_chunks(
    shared_folder: Path, capsys: pytest.CaptureFixture[str]
):
    recorded = shared_folder / "fixtures" / "ollama"
    golden = shared_folder / "fixtures" / "_golden" / "ai-7.0.173" / "ollama"
    with pytest.raises(SystemExit) as ended:
        run(["check", "fixtures", str(recorded), "--golden", str(golden.parent)])
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(" passed, 0 failed")
