from __future__ import annotations

from pathlib import Path

import pytest

from chat_transport.testing._trace_file import read_trace
from chat_transport.testing._trace_reading import read_checks

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "ably"


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_everything_that_a_companion_says_is_checked(path):
    trace = read_trace(path)
    checks = list(read_checks(trace))
    assert [name for name, difference in checks if difference is not None] == []
    said = set(trace.meta) - {"notes", "index"}
    assert said <= {name for name, _ in checks}


def test_a_stream_that_was_repaired_is_read_as_each_reader_reads_it():
    trace = read_trace(VECTORS / "14-append-failure-recovery.jsonl")
    heard = trace.meta["messages"][-1]["message"]["parts"][-1]["text"]
    healed = trace.meta["reloadedView"][-1]["message"]["parts"][-1]["text"]
    assert (heard, healed) == ("x1 x3", "x1 x2 x3")  # the package's own readers disagree
    assert dict(read_checks(trace))["reloadedView"] is None
