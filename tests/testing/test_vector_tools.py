from __future__ import annotations

import pytest

from chat_transport.chunks import ABSENT, DataChunk, OpaqueChunk, TextDelta, ToolInputAvailable
from chat_transport.testing._vector_tools import (
    VectorFailed,
    build_chunk,
    expect,
    expect_error,
    same_json,
)


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        (None, None, True),
        ({"a": None}, {}, False),
        ({"a": [1]}, {"a": [1.0]}, True),
        ([1, 2], [2, 1], False),
        (12345678901234567890, 12345678901234567000, True),
        (2**53 - 1, 2**53 - 2, False),
        ("1", 1, False),
    ],
)
def test_values_compare_as_json(found: object, wanted: object, same: object):
    assert same_json(found, wanted) is same


def test_a_difference_shows_both_sides_cut_short():
    with pytest.raises(VectorFailed, match="what: found 1, expected 2"):
        expect("what", 1, 2)
    with pytest.raises(VectorFailed) as raised:
        expect("what", "x" * 10_000, None)
    assert len(str(raised.value)) < 600


def test_errors_compare_by_whether_there_was_one():
    expect_error(ValueError("a"), "other words")
    expect_error(None, None)
    with pytest.raises(VectorFailed):
        expect_error(None, "x")
    with pytest.raises(VectorFailed):
        expect_error(ValueError("a"), None)


def test_chunks_are_built_past_all_checks():
    assert build_chunk({"type": "text-delta", "id": "t", "delta": "x"}) == TextDelta(
        id="t", delta="x"
    )
    assert build_chunk({"type": "data-x"}) == DataChunk(type="data-x", data=ABSENT)
    call = build_chunk({"type": "tool-input-available", "toolCallId": "c", "toolName": "f"})
    assert call == ToolInputAvailable(tool_call_id="c", tool_name="f", input=ABSENT)
    assert build_chunk({"type": "later", "n": 1}) == OpaqueChunk(type="later", fields={"n": 1})
