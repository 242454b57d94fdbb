from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from chat_transport.testing._trace_reading import NOT_COMPARED
from chat_transport.testing.traces import run_traces

from .spoiled import pattern, spoil, spoilings

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "ably"


APPLICATIONS_OWN = ("posts.*.url", "posts.*.headers", "posts.*.body", "notes.*.err", "index")
"""What the wire does not carry, and words that only one of several agents knows."""


def expected(meta):
    """Give every place of a companion file that can be wrong; one that is gone expects nothing."""
    for place, how in spoilings(meta):
        name = pattern(place)
        given = name in {"", "notes", "posts"} or place[0] in NOT_COMPARED
        given |= str(place[0]) in {"historyNewestFirstAtJoin", "reloadedView"} if place else False
        given |= name.startswith(APPLICATIONS_OWN) and not name.endswith(("EventId", "sessionName"))
        given |= how == "add" and name in {"notes.*", "posts.*"}
        given |= how == "drop" and len(place) < 4 and not name.startswith("messages.*.m")
        if not given:
            yield place, how


def check(path):
    lines: list[str] = []
    passed, failed = run_traces(path, lines.append)
    assert lines[-1] == f"{passed} passed, {failed} failed"
    return passed, failed, lines[:-1]


def test_our_own_traces_of_the_npm_package_pass_both_ways():
    passed, failed, lines = check(VECTORS)
    assert (failed, lines) == (0, [])
    assert passed >= 60


def test_the_golden_traces_pass_both_ways(shared_folder):
    passed, failed, lines = check(shared_folder / "vectors" / "ably")
    assert (failed, lines) == (0, [])
    assert passed >= 70


@pytest.fixture
def copied(tmp_path):
    for suffix in (".jsonl", ".meta.json"):
        shutil.copy(VECTORS / f"09-edit{suffix}", tmp_path / f"09-edit{suffix}")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "case"),
    [
        ('"first"', '"worst"', "messages"),
        ('"finishReason": "stop"', '"finishReason": "length"', "chunks"),
        ('"index": 1', '"index": 0', "siblings"),
        ('"promptSeenByAgent": [', '"promptSeenByAgent": ["unseen", ', "prompt"),
    ],
)
def test_a_wrong_expectation_fails(copied, old, new, case):
    meta = copied / "09-edit.meta.json"
    text = meta.read_text("utf-8")
    assert old in text
    meta.write_text(text.replace(old, new), "utf-8")
    _, failed, lines = check(copied)
    assert failed >= 1
    assert any(line.startswith(f"09-edit/{case}") for line in lines), lines


def unnoticed(trace, folder, count):
    """Spoil places of a trace's companion, one at a time; give those that nothing noticed."""
    shutil.copy(trace, folder)
    companion = trace.with_suffix(".meta.json")
    meta = json.loads(companion.read_bytes())
    for spoiling in random.Random(trace.stem).sample(list(expected(meta)), count):
        (folder / companion.name).write_text(json.dumps(spoil(meta, spoiling)), "utf-8")
        if check(folder / trace.name)[1] == 0:
            yield trace.stem, spoiling


def test_no_wrong_expectation_passes(tmp_path):
    traces = sorted(VECTORS.glob("*.jsonl"))
    assert [one for trace in traces for one in unnoticed(trace, tmp_path, 10)] == []


def test_no_wrong_expectation_passes_in_the_golden_traces(shared_folder, tmp_path):
    traces = sorted((shared_folder / "vectors" / "ably").glob("*.jsonl"))
    assert [one for trace in traces for one in unnoticed(trace, tmp_path, 10)] == []


def test_a_wrong_operation_fails(copied):
    file = copied / "09-edit.jsonl"
    operations = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    del operations[1]["messages"][0]["extras"]["ai"]["transport"]["parent"]
    file.write_text("\n".join(json.dumps(operation) for operation in operations), "utf-8")
    _, failed, lines = check(file)
    assert failed == 1
    assert lines[0].startswith("09-edit/written: operation 0: wrote")


def test_a_folder_without_traces_is_a_failure(tmp_path):
    assert check(tmp_path) == (0, 0, [])


def test_a_file_that_is_no_trace_is_a_failing_case(tmp_path):
    (tmp_path / "1-x.jsonl").write_text("{}\n", "utf-8")
    passed, failed, lines = check(tmp_path)
    assert (passed, failed) == (0, 1)
    assert lines[0].startswith("1-x/file: 1-x.jsonl line 1 is no operation")


def test_a_key_that_nobody_compares_is_told(copied):
    (copied / "09-edit.meta.json").write_text('{"mood": "good"}', "utf-8")
    assert check(copied) == (1, 0, ["09-edit/mood: not compared: an unknown key"])


def test_a_trace_that_breaks_the_checker_is_a_failing_case(copied):
    (copied / "09-edit.meta.json").write_text('{"posts": [{"body": {}}]}', "utf-8")
    _, failed, lines = check(copied)
    assert failed == 1
    assert lines == ["09-edit/read: KeyError: 'inputEventId'"]
