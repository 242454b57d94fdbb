from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.agent.reply_order import ReplyOrder
from chat_transport.chunks import (
    Abort,
    DataChunk,
    Error,
    Finish,
    FinishStep,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
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
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer


def written(*chunks: UIMessageChunk, order: ReplyOrder | None = None) -> list[UIMessageChunk]:
    order = order or ReplyOrder("m")
    return [ready for chunk in chunks for ready in order.admit(chunk)] + order.close()


def test_start_comes_first_and_once():
    assert written(TextStart(id="t"), TextEnd(id="t"), Start(message_metadata={"a": 1}), Start()) == [
        Start(message_id="m"), TextStart(id="t"), TextEnd(id="t"),
        MessageMetadata(message_metadata={"a": 1}), Finish(),
    ]  # fmt: skip


def test_start_keeps_its_own_id_and_gets_one_if_it_has_none():
    assert written(Start(message_id="own"))[0] == Start(message_id="own")
    assert written(Start(message_metadata=1))[0] == Start(message_id="m", message_metadata=1)


def test_blocks_end_before_their_step_and_steps_before_the_reply():
    assert written(StartStep(), TextStart(id="t"), ReasoningStart(id="r"), FinishStep())[3:] == [
        ReasoningStart(id="r"), ReasoningEnd(id="r"), TextEnd(id="t"), FinishStep(), Finish(),
    ]  # fmt: skip
    assert written(StartStep(), TextStart(id="t"), StartStep())[3:] == [
        TextEnd(id="t"), FinishStep(), StartStep(), FinishStep(), Finish(),
    ]  # fmt: skip


@pytest.mark.parametrize("end", [Finish(finish_reason="stop"), Abort(), Error(error_text="x")])
def test_an_end_closes_what_is_open_and_nothing_follows(end: UIMessageChunk):
    order = ReplyOrder("m")
    assert written(StartStep(), TextStart(id="t"), end, order=order)[3:] == [
        TextEnd(id="t"), FinishStep(), end,
    ]  # fmt: skip
    with pytest.raises(
        LocalProtocolError, match="unable to write 'text-start'; the reply has ended"
    ):
        order.admit(TextStart(id="u"))


def test_an_open_block_that_is_opened_again_is_closed_first():
    assert written(TextStart(id="t"), TextStart(id="t"))[1:4] == [
        TextStart(id="t"), TextEnd(id="t"), TextStart(id="t"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (TextDelta(id="t", delta="x"), "text part is not open"),
        (ReasoningDelta(id="t", delta="x"), "reasoning part is not open"),
        (FinishStep(), "no step is open"),
        (ToolInputDelta(tool_call_id="c", input_text_delta="{"), "tool input was not started"),
        (ToolOutputAvailable(tool_call_id="c", output=1), "tool call is not known"),
        (ToolApprovalResponse(approval_id="p", approved=True), "approval was not asked for"),
    ],
)
def test_what_cannot_be_put_right_is_refused(chunk: UIMessageChunk, reason: str):
    with pytest.raises(LocalProtocolError, match=reason):
        ReplyOrder("m").admit(chunk)


def test_calls_of_the_continued_message_are_known():
    part = {
        "type": "tool-f",
        "toolCallId": "c",
        "state": "approval-requested",
        "input": 1,
        "approval": {"id": "p"},
    }
    old = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": [part]})
    order = ReplyOrder("a", continued=old)
    assert order.admit(ToolApprovalResponse(approval_id="p", approved=True))[0] == Start(
        message_id="a"
    )
    assert len(order.admit(ToolOutputAvailable(tool_call_id="c", output=1))) == 1


def test_transient_data_may_come_before_the_start():
    data = DataChunk(type="data-x", data=1, transient=True)
    assert written(data, Start(message_id="own")) == [data, Start(message_id="own"), Finish()]


ids = st.sampled_from(["a", "b"])
anything = st.one_of(
    st.just(Start()), st.just(StartStep()), st.just(FinishStep()), st.just(ResetStep()), st.just(Finish()),
    st.builds(TextStart, id=ids), st.builds(TextDelta, id=ids, delta=st.just("x")), st.builds(TextEnd, id=ids),
    st.builds(ReasoningStart, id=ids), st.builds(ReasoningEnd, id=ids),
    st.builds(ToolInputStart, tool_call_id=ids, tool_name=st.just("f")),
    st.builds(ToolInputDelta, tool_call_id=ids, input_text_delta=st.just("{")),
    st.builds(ToolInputAvailable, tool_call_id=ids, tool_name=st.just("f"), input=st.just({})),
    st.builds(ToolApprovalRequest, approval_id=ids, tool_call_id=ids),
    st.builds(ToolApprovalResponse, approval_id=ids, approved=st.booleans()),
    st.builds(ToolOutputAvailable, tool_call_id=ids, output=st.none()),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(anything, max_size=30))
def test_whatever_comes_out_folds_without_error_and_leaves_nothing_open(
    chunks: list[UIMessageChunk],
):
    order, reducer = ReplyOrder("m"), MessageReducer(message_id="m")
    came_out: list[UIMessageChunk] = []
    for chunk in chunks:
        try:
            ready = order.admit(chunk)
        except LocalProtocolError:
            continue
        came_out += ready
    came_out += order.close()
    for chunk in came_out:
        reducer.feed(chunk)
    assert reducer.open_text_ids == reducer.open_reasoning_ids == []
    assert [type(chunk) for chunk in came_out].count(Start) == 1
    assert isinstance(came_out[0], Start)
    assert isinstance(came_out[-1], Finish)


def test_open_inputs_of_the_continued_message_go_on():
    parts = [
        {"type": "tool-f", "toolCallId": "old", "state": "input-streaming"},
        {"type": "step-start"},
        {"type": "tool-f", "toolCallId": "c", "state": "input-streaming"},
    ]
    message = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": parts})
    order = ReplyOrder("a", continued=message)
    assert order.admit(ToolInputDelta(tool_call_id="c", input_text_delta="{"))
    with pytest.raises(LocalProtocolError, match="tool input was not started"):
        order.admit(ToolInputDelta(tool_call_id="old", input_text_delta="{"))
