"""What was taken back is left out, and folding what is left gives the same message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_transport._taken_back import without_void
from chat_transport.chunks import (
    DataChunk,
    FinishStep,
    MessageMetadata,
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
from chat_transport.errors import RemoteProtocolError
from chat_transport.reducer import MessageReducer

WORDS = (TextStart(id="t"), TextDelta(id="t", delta="x"), TextEnd(id="t"))
CALL = ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
OUTPUT = ToolOutputAvailable(tool_call_id="c", output=1)
ASK = ToolApprovalRequest(tool_call_id="c", approval_id="a")
ANSWER = ToolApprovalResponse(approval_id="a", approved=True)
NOTE = MessageMetadata(message_metadata={"a": 1})
CARD = DataChunk(type="data-card", id="d", data=1)


def fold(chunks: list[UIMessageChunk]) -> object:
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    return reducer.message


def test_a_void_step_is_left_out_and_the_step_goes_on() -> None:
    chunks = [Start(), StartStep(), *WORDS, FinishStep(), ResetStep(), *WORDS]
    assert without_void(chunks) == [Start(), StartStep(), *WORDS]


def test_several_void_steps_are_left_out() -> None:
    first = [Start(), StartStep(), *WORDS, FinishStep()]
    void = [StartStep(), CALL, OUTPUT, FinishStep(), StartStep(), *WORDS, FinishStep()]
    assert without_void([*first, *void, ResetStep(steps=2), *WORDS]) == [
        *first,
        StartStep(),
        *WORDS,
    ]


def test_a_step_that_is_taken_back_twice_is_left_out_twice() -> None:
    chunks = [StartStep(), *WORDS, ResetStep(), *WORDS, NOTE, ResetStep(), *WORDS]
    assert without_void(chunks) == [StartStep(), NOTE, *WORDS]


def test_what_lasts_of_a_void_step_is_kept() -> None:
    before = [StartStep(), CALL, ASK, CARD, FinishStep(), StartStep()]
    void = [NOTE, CARD, ANSWER, OUTPUT, *WORDS]
    assert without_void([*before, *void, ResetStep()]) == [*before, NOTE, CARD, ANSWER, OUTPUT]


def test_approvals_and_outputs_of_void_calls_are_left_out() -> None:
    assert without_void([StartStep(), CALL, ASK, ANSWER, OUTPUT, ResetStep()]) == [StartStep()]


@pytest.mark.parametrize(
    "chunks",
    [
        [*WORDS, ResetStep()],  # no step in sight
        [StartStep(), *WORDS, ResetStep(steps=2)],
        [TextStart(id="t"), StartStep(), ResetStep()],  # a block is open across
        [ReasoningStart(id="t"), StartStep(), ResetStep()],
        [StartStep(), CARD, ResetStep()],  # it may stand in the message that is continued
    ],
)
def test_where_it_is_not_certain_everything_stays(chunks: list[UIMessageChunk]) -> None:
    assert without_void(chunks) == chunks
    more = [*chunks, StartStep(), *WORDS, ResetStep()]
    assert without_void(more) in ([*chunks, StartStep()], more)


def test_after_something_that_stayed_new_data_is_not_taken_for_known() -> None:
    chunks = [StartStep(), CARD, ResetStep(), StartStep(), CARD, ResetStep()]
    assert without_void(chunks) == chunks
    assert fold(chunks) == fold([StartStep(), StartStep()])


_ANY = st.sampled_from(
    [
        *WORDS,
        *(ReasoningStart(id="r"), ReasoningEnd(id="r"), StartStep(), FinishStep()),
        *(ResetStep(), ResetStep(steps=2), CALL, ASK, ANSWER, OUTPUT, NOTE, CARD),
        ToolInputStart(tool_call_id="c", tool_name="n"),
        ToolInputDelta(tool_call_id="c", input_text_delta="{}"),
    ]
)


@given(st.lists(_ANY, max_size=30))
def test_folding_what_is_left_gives_the_same_message(chunks: list[UIMessageChunk]) -> None:
    good: list[UIMessageChunk] = []
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        try:
            reducer.feed(chunk)
        except RemoteProtocolError:
            continue  # what cannot come here is in no log
        good.append(chunk)
    assert fold(list(without_void(good))) == fold(good)
