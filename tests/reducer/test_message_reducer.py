from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.chunks import (
    ABSENT,
    Abort,
    DataChunk,
    Error,
    Finish,
    FinishStep,
    OpaqueChunk,
    ReasoningDelta,
    ReasoningStart,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.errors import RemoteProtocolError
from chat_transport.messages import TextPart, ToolPart, UIMessage
from chat_transport.reducer import MessageReducer, Write


def fold(*chunks: UIMessageChunk, **options: bool) -> MessageReducer:
    reducer = MessageReducer(message_id="m", **options)
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer


def test_text_grows_and_ends():
    reducer = fold(Start(message_id="a"), StartStep(), TextStart(id="t"))
    assert reducer.feed(TextDelta(id="t", delta="Hel")) == Write(streaming=True)
    assert reducer.open_text_ids == ["t"]
    reducer.feed(TextDelta(id="t", delta="lo"))
    reducer.feed(TextEnd(id="t"))
    reducer.feed(Finish(finish_reason="stop"))
    assert reducer.message.to_wire() == {
        "id": "a",
        "role": "assistant",
        "parts": [{"type": "step-start"}, {"type": "text", "text": "Hello", "state": "done"}],
    }
    assert reducer.finish_reason == "stop"
    assert reducer.open_text_ids == []


def test_start_is_published_without_a_change_of_status():
    reducer = MessageReducer(message_id="m")
    assert reducer.feed(Start(message_id="a")) == Write(streaming=False)
    assert reducer.feed(Start()) is None


@pytest.mark.parametrize(
    "chunk",
    [
        StartStep(),
        FinishStep(),
        Abort(),
        Error(error_text="x"),
        OpaqueChunk(type="later", fields={}),
        DataChunk(type="data-x", data=1, transient=True),
    ],
)
def test_silent_chunks_are_not_published(chunk: UIMessageChunk):
    assert MessageReducer(message_id="m").feed(chunk) is None


def test_a_snapshot_never_changes_and_is_made_once():
    reducer = fold(TextStart(id="t"), TextDelta(id="t", delta="a"))
    before = reducer.message
    assert reducer.message is before
    reducer.feed(TextDelta(id="t", delta="b"))
    assert before.text == "a"
    assert reducer.message.text == "ab"


def test_parts_that_did_not_change_keep_their_model():
    reducer = fold(TextStart(id="t"), TextEnd(id="t"), TextStart(id="u"))
    first = reducer.message.parts[0]
    reducer.feed(TextDelta(id="u", delta="x"))
    assert reducer.message.parts[0] is first


def test_the_adopted_message_stays_as_it_was():
    old = UIMessage(id="a", role="assistant", parts=[TextPart(text="old")])
    reducer = MessageReducer(old, message_id="unused")
    reducer.feed(TextStart(id="t"))
    assert [part.type for part in old.parts] == ["text"]
    assert len(reducer.message.parts) == 2


def test_a_user_message_is_not_continued():
    asked = UIMessage.user("q", id="u")
    assert MessageReducer(asked, message_id="m").message == UIMessage(
        id="m", role="assistant", parts=[]
    )


def test_out_of_order_says_what_and_where():
    with pytest.raises(RemoteProtocolError, match='missing text part with ID "t"') as raised:
        fold(TextDelta(id="t", delta="x"))
    assert raised.value.data == {"chunkType": "text-delta", "chunkId": "t"}


def test_an_unknown_approval_is_refused():
    with pytest.raises(RemoteProtocolError, match='No tool invocation found for approval ID "p"'):
        fold(ToolApprovalResponse(approval_id="p", approved=True))


def test_an_id_change_resets_where_asked():
    chunks = (Start(message_id="a"), TextStart(id="t"), Start(message_id="b"))
    assert fold(*chunks, reset_on_id_change=True).message.parts == []
    assert len(fold(*chunks).message.parts) == 1


def test_a_replay_resets_only_once():
    reducer = fold(
        TextStart(id="x"), Finish(finish_reason="stop"), Start(), TextStart(id="t"), Start(),
        reset_on_first_start=True,
    )  # fmt: skip
    assert len(reducer.message.parts) == 1
    assert reducer.finish_reason is None


def test_halves_of_a_surrogate_pair_are_joined():
    reducer = fold(TextStart(id="t"), TextDelta(id="t", delta="\ud83d"))
    assert reducer.message.text == "\ud83d"
    reducer.feed(TextDelta(id="t", delta="\ude80!"))
    assert reducer.message.text == "\U0001f680!"


def test_a_tool_input_is_read_when_it_is_looked_at():
    reducer = fold(
        ToolInputStart(tool_call_id="c", tool_name="f"),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"a":[1,'),
    )
    assert reducer.message.parts[0].to_wire() == {
        "type": "tool-f",
        "toolCallId": "c",
        "state": "input-streaming",
        "input": {"a": [1]},
        "rawInput": '{"a":[1,',
    }


def test_an_input_that_goes_on_in_a_later_step_leaves_the_earlier_part_as_it_was():
    reducer = fold(
        ToolInputStart(tool_call_id="c", tool_name="f"),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"a":1'),
        StartStep(),
        ToolInputDelta(tool_call_id="c", input_text_delta="2}"),
    )
    first, _, second = reducer.message.parts
    assert isinstance(first, ToolPart)
    assert isinstance(second, ToolPart)
    assert (first.input, second.input) == ({"a": 1}, {"a": 12})


def test_output_keeps_the_input_read_so_far():
    reducer = fold(
        ToolInputStart(tool_call_id="c", tool_name="f"),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"a":1'),
        ToolOutputAvailable(tool_call_id="c", output=2),
    )
    assert reducer.message.parts[0].to_wire() == {
        "type": "tool-f", "toolCallId": "c", "state": "output-available",
        "input": {"a": 1}, "output": 2,
    }  # fmt: skip


def test_reset_step_voids_the_step():
    reducer = fold(TextStart(id="s"), StartStep(), TextStart(id="t"), TextDelta(id="t", delta="x"))
    assert reducer.feed(ResetStep()) == Write(streaming=True)
    assert [part.type for part in reducer.message.parts] == ["text", "step-start"]
    assert reducer.open_text_ids == []
    assert reducer.feed(ResetStep()) is None


def test_a_copy_goes_on_by_itself_with_what_is_open():
    reducer = fold(
        TextStart(id="t"),
        TextDelta(id="t", delta="a"),
        ToolInputStart(tool_call_id="c", tool_name="f"),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"a":'),
    )
    twin = reducer.copy()
    twin.feed(TextDelta(id="t", delta="b"))
    twin.feed(ToolInputDelta(tool_call_id="c", input_text_delta="1}"))
    reducer.feed(TextDelta(id="t", delta="z"))
    assert twin.message.text == "ab"
    assert twin.message.parts[1].to_wire()["input"] == {"a": 1}
    assert reducer.message.text == "az"
    assert reducer.message.parts[1].to_wire()["input"] == {}


def test_a_copy_may_be_reset_by_a_replay():
    twin = fold(TextStart(id="t")).copy(reset_on_first_start=True)
    twin.feed(Start())
    assert twin.message.parts == []


def test_patching_a_tool_enters_the_live_message():
    reducer = fold(ToolInputAvailable(tool_call_id="c", tool_name="f", input={}), TextStart(id="t"))
    part = reducer.message.parts[0]
    assert isinstance(part, ToolPart)
    done = part.model_copy(update={"state": "output-available", "output": 1})
    assert reducer.patch_tool(done)
    reducer.feed(TextDelta(id="t", delta="x"))
    assert reducer.message.parts[0].to_wire()["output"] == 1
    assert not reducer.patch_tool(done.model_copy(update={"tool_call_id": "other"}))


# ── properties ───────────────────────────────────────────────────────────────────────────────────

ids = st.sampled_from(["a", "b", "__proto__"])
absent_or_bool = st.sampled_from([ABSENT, True, False])
any_chunk = st.one_of(
    st.builds(Start, message_id=st.sampled_from([ABSENT, "m", "n"])),
    st.just(StartStep()),
    st.just(FinishStep()),
    st.just(ResetStep()),
    st.builds(TextStart, id=ids),
    st.builds(TextDelta, id=ids, delta=st.text(max_size=4)),
    st.builds(TextEnd, id=ids),
    st.builds(ReasoningStart, id=ids),
    st.builds(ReasoningDelta, id=ids, delta=st.text(max_size=4)),
    st.builds(DataChunk, type=st.just("data-x"), data=st.integers(), id=st.one_of(ids, st.just(ABSENT))),
    st.builds(ToolInputStart, tool_call_id=ids, tool_name=st.just("f"), dynamic=absent_or_bool),
    st.builds(ToolInputDelta, tool_call_id=ids, input_text_delta=st.sampled_from(['{"a":', "1", "}", "["])),
    st.builds(ToolInputAvailable, tool_call_id=ids, tool_name=st.just("g"), input=st.just({}), dynamic=absent_or_bool),
    st.builds(ToolOutputAvailable, tool_call_id=ids, output=st.none(), preliminary=absent_or_bool),
    st.builds(ToolApprovalRequest, approval_id=ids, tool_call_id=ids),
    st.builds(ToolApprovalResponse, approval_id=ids, approved=st.booleans()),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(any_chunk, max_size=40), st.integers(0, 40))
def test_any_chunks_fold_or_are_refused_and_looking_changes_nothing(
    chunks: list[UIMessageChunk], cut: int
):
    looked_at = MessageReducer(message_id="m")
    unseen = MessageReducer(message_id="m")
    for at, chunk in enumerate(chunks):
        if at == cut:
            looked_at = looked_at.copy()
        try:
            looked_at.feed(chunk)
        except RemoteProtocolError:
            with pytest.raises(RemoteProtocolError):
                unseen.feed(chunk)
            break
        unseen.feed(chunk)
        assert looked_at.message.to_wire()["role"] == "assistant"
    assert unseen.message == looked_at.message
    again = UIMessage.model_validate(unseen.message.to_wire())
    assert again.to_wire() == unseen.message.to_wire()


def _cost_of(length: int) -> float:
    """Seconds for the last 2,000 deltas of a reply of `length`."""
    reducer = fold(TextStart(id="t"), ToolInputStart(tool_call_id="c", tool_name="f"))
    for _ in range(length):
        reducer.feed(TextDelta(id="t", delta="word "))
        reducer.feed(ToolInputDelta(tool_call_id="c", input_text_delta="x"))
    begun = time.process_time()
    for _ in range(2_000):
        reducer.feed(TextDelta(id="t", delta="word "))
        reducer.feed(ToolInputDelta(tool_call_id="c", input_text_delta="x"))
    return time.process_time() - begun


def test_a_delta_costs_the_same_at_the_end_of_a_long_reply():
    # A ratio, not a time: quadratic folding would be 40 times dearer here.
    ratios = [_cost_of(40_000) / _cost_of(1_000) for _ in range(3)]
    assert min(ratios) < 8
