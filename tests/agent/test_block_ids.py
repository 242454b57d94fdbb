from __future__ import annotations

from chat_transport.agent.block_ids import BlockIds
from chat_transport.chunks import (
    Finish,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
)


def test_a_free_id_stays_and_a_taken_one_is_renamed_throughout():
    ids = BlockIds()
    first, second, third = ids.source(), ids.source(), ids.source()
    opened = TextStart(id="0")
    assert first.rename(opened) is opened
    assert second.rename(opened) == TextStart(id="0~2")
    assert third.rename(opened) == TextStart(id="0~3")
    assert second.rename(TextDelta(id="0", delta="x")) == TextDelta(id="0~2", delta="x")
    assert second.rename(TextEnd(id="0")) == TextEnd(id="0~2")
    assert first.rename(TextEnd(id="0")) == TextEnd(id="0")


def test_a_source_keeps_its_name_when_it_opens_an_id_again():
    ids = BlockIds()
    first, second = ids.source(), ids.source()
    first.rename(TextStart(id="0"))
    assert second.rename(TextStart(id="0")) == second.rename(TextStart(id="0"))


def test_kinds_of_ids_are_apart():
    ids = BlockIds()
    ids.source().rename(TextStart(id="0"))
    assert ids.source().rename(ReasoningStart(id="0")) == ReasoningStart(id="0")


def test_an_output_for_anothers_call_keeps_its_id():
    ids = BlockIds()
    model, tools, other = ids.source(), ids.source(), ids.source()
    call = ToolInputAvailable(tool_call_id="c", tool_name="f", input={})
    output = ToolOutputAvailable(tool_call_id="c", output=1)
    model.rename(call)
    assert tools.rename(output) is output
    assert other.rename(call).tool_call_id == "c~2"  # type: ignore[attr-defined]
    assert other.rename(output) == ToolOutputAvailable(tool_call_id="c~2", output=1)


def test_chunks_without_ids_pass():
    chunk = Finish()
    assert BlockIds().source().rename(chunk) is chunk
