from __future__ import annotations

import msgspec
import pytest

from chat_transport.chunks import (
    ABSENT,
    CHUNK_TYPES,
    Abort,
    DataChunk,
    Error,
    Finish,
    OpaqueChunk,
    TextDelta,
    ToolOutputAvailable,
    is_terminal,
)


def test_every_type_has_one_class_and_its_tag():
    assert len(CHUNK_TYPES) == 29
    for name, cls in CHUNK_TYPES.items():
        assert cls.type == name
        assert msgspec.inspect.type_info(cls).tag == name


def test_chunks_are_frozen_and_equal_by_value():
    chunk = TextDelta(id="t", delta="x")
    assert chunk == TextDelta(id="t", delta="x")
    assert chunk != TextDelta(id="t", delta="y")
    with pytest.raises(AttributeError):
        chunk.delta = "y"  # type: ignore[misc]


def test_absent_is_not_null():
    assert ToolOutputAvailable(tool_call_id="c", output=None).output is None
    assert ToolOutputAvailable(tool_call_id="c", output=None).preliminary is ABSENT


@pytest.mark.parametrize("chunk", [Finish(), Abort(), Error(error_text="x")])
def test_three_chunks_end_a_reply(chunk: Finish | Abort | Error):
    assert is_terminal(chunk)


def test_nothing_else_ends_a_reply():
    assert not is_terminal(TextDelta(id="t", delta="x"))
    assert not is_terminal(OpaqueChunk(type="finish-later", fields={}))


def test_data_and_opaque_chunks_carry_their_type():
    assert DataChunk(type="data-x", data=1).type == "data-x"
    assert OpaqueChunk(type="later", fields={"a": 1}).type == "later"
