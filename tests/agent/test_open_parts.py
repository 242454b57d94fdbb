"""What is open is closed; what may not come is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.agent._open_parts import OpenParts
from chat_transport.chunks import (
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer
from chat_transport.validation import validate_messages

CALL = ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
ASK = ToolApprovalRequest(approval_id="a", tool_call_id="c")


def after(*chunks: UIMessageChunk, continued: UIMessage | None = None) -> OpenParts:
    parts = OpenParts(continued)
    for chunk in chunks:
        parts.see(chunk)
    return parts


def closings(parts: OpenParts, *said: UIMessageChunk, cut: bool = True) -> list[UIMessageChunk]:
    return list(parts.close(said, why="stopped", cut_calls=cut))


def test_open_text_reasoning_and_step_are_closed_once() -> None:
    parts = after(StartStep(), TextStart(id="t"), ReasoningStart(id="r"))
    assert parts.is_cut
    assert closings(parts) == [TextEnd(id="t"), ReasoningEnd(id="r"), FinishStep()]
    assert closings(parts) == []
    assert not parts.is_cut


def test_a_cut_tool_input_keeps_what_it_said() -> None:
    said: list[UIMessageChunk] = [
        ToolInputStart(tool_call_id="c", tool_name="n", dynamic=True),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"a'),
        ToolInputDelta(tool_call_id="c", input_text_delta='": 1'),
    ]
    wanted = ToolInputError(
        tool_call_id="c", tool_name="n", input='{"a": 1', error_text="stopped", dynamic=True
    )
    assert closings(after(*said), *said) == [wanted]


def test_a_running_call_is_cut_or_left_to_the_client() -> None:
    assert closings(after(CALL)) == [ToolOutputError(tool_call_id="c", error_text="stopped")]
    parts = after(CALL)
    assert closings(parts, cut=False) == []
    assert parts.waits


def test_a_call_that_waits_for_a_person_stays_open() -> None:
    parts = after(CALL, ASK)
    assert closings(parts) == []
    assert parts.waits


ANSWERED = {yes: ToolApprovalResponse(approval_id="a", approved=yes) for yes in (True, False)}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ([CALL, ASK, ANSWERED[True]], "output-error"),
        ([CALL, ASK, ANSWERED[False]], "output-denied"),
        ([CALL, ASK, CALL], "output-denied"),  # said again, so it runs; nobody answered
        ([CALL, ASK, ToolInputStart(tool_call_id="c", tool_name="n")], "output-denied"),
        ([CALL, ASK], "approval-requested"),
    ],
)
def test_a_stopped_call_with_an_approval_can_be_sent_back(
    said: list[UIMessageChunk], wanted: str
) -> None:
    reducer = MessageReducer(message_id="m")
    for chunk in [*said, *closings(after(*said), *said)]:
        reducer.feed(chunk)
    [message] = validate_messages([reducer.message.to_wire()])
    assert [getattr(part, "state", None) for part in message.parts] == [wanted]


def test_a_refused_call_of_the_message_before_is_denied_when_stopped() -> None:
    refused = _SEED.to_wire()
    refused["parts"][0] |= {
        "state": "approval-responded",
        "approval": {"id": "a", "approved": False},
    }
    continued = UIMessage.model_validate(refused)
    assert closings(after(continued=continued)) == [ToolOutputDenied(tool_call_id="a")]


def test_an_output_answers_the_approval_that_was_asked_for_it() -> None:
    parts = after(CALL, ASK)
    output = ToolOutputAvailable(tool_call_id="c", output=1)
    assert parts.answer_before(output) == ANSWERED[True]
    assert parts.answer_before(ToolOutputDenied(tool_call_id="c")) == ANSWERED[False]
    assert parts.answer_before(CALL) is None
    parts.see(ANSWERED[True])
    assert parts.answer_before(output) is None
    assert after(CALL).answer_before(output) is None


def test_an_answered_call_no_longer_waits() -> None:
    answer = ToolApprovalResponse(approval_id="a", approved=True)
    assert after(CALL, ASK, answer).waits
    for output in (
        ToolOutputAvailable(tool_call_id="c", output=1),
        ToolOutputError(tool_call_id="c", error_text="x"),
        ToolOutputDenied(tool_call_id="c"),
    ):
        assert not after(CALL, ASK, answer, output).waits
    preliminary = ToolOutputAvailable(tool_call_id="c", output=1, preliminary=True)
    assert after(CALL, preliminary).waits


def test_a_call_of_the_provider_is_not_waited_for() -> None:
    call = ToolInputAvailable(tool_call_id="c", tool_name="n", input={}, provider_executed=True)
    assert not after(call).waits


def test_a_reset_forgets_the_step_but_not_the_message_before() -> None:
    continued = UIMessage.model_validate(
        {
            "id": "m",
            "role": "assistant",
            "parts": [
                {
                    "type": "tool-n",
                    "toolCallId": "old",
                    "state": "approval-responded",
                    "input": {},
                    "approval": {"id": "a0", "approved": True},
                }
            ],
        }
    )
    parts = after(StartStep(), TextStart(id="t"), CALL, ResetStep(), continued=continued)
    assert set(parts.calls) == {"old"}
    assert parts.waits
    parts.see(ToolApprovalResponse(approval_id="a0", approved=True))
    parts.see(ToolOutputAvailable(tool_call_id="old", output=1))
    assert not parts.waits


@pytest.mark.parametrize(
    ("before", "chunk", "what"),
    [
        ([], TextDelta(id="t", delta=""), "not open"),
        ([], TextEnd(id="t"), "not open"),
        ([], ReasoningDelta(id="t", delta=""), "not open"),
        ([], ReasoningEnd(id="t"), "not open"),
        ([TextStart(id="t")], TextStart(id="t"), "open already"),
        ([], ToolInputDelta(tool_call_id="t", input_text_delta=""), "input is not open"),
        ([CALL], ToolInputDelta(tool_call_id="c", input_text_delta=""), "input is not open"),
        ([], ToolOutputAvailable(tool_call_id="t", output=1), "no tool call"),
        ([], ToolApprovalRequest(approval_id="a", tool_call_id="t"), "no tool call"),
        ([CALL], ToolApprovalResponse(approval_id="t", approved=True), "no approval"),
    ],
)
def test_what_may_not_come_is_refused_with_its_name(
    before: list[UIMessageChunk], chunk: UIMessageChunk, what: str
) -> None:
    with pytest.raises(LocalProtocolError, match=what) as refused:
        after(*before, chunk)
    assert f"unable to write {chunk.type!r} for " in str(refused.value)


_IDS = st.sampled_from("ab")
_ANY_CHUNK = st.one_of(
    st.builds(TextStart, id=_IDS),
    st.builds(TextDelta, id=_IDS, delta=st.just("x")),
    st.builds(TextEnd, id=_IDS),
    st.builds(ReasoningStart, id=_IDS),
    st.builds(ReasoningDelta, id=_IDS, delta=st.just("x")),
    st.builds(ReasoningEnd, id=_IDS),
    st.just(StartStep()),
    st.just(FinishStep()),
    st.just(ResetStep()),
    st.builds(ToolInputStart, tool_call_id=_IDS, tool_name=st.just("n"), dynamic=st.booleans()),
    st.builds(ToolInputDelta, tool_call_id=_IDS, input_text_delta=st.just("1")),
    st.builds(ToolInputAvailable, tool_call_id=_IDS, tool_name=st.just("n"), input=st.just(1)),
    st.builds(
        ToolInputError,
        tool_call_id=_IDS,
        tool_name=st.just("n"),
        input=st.just(1),
        error_text=st.just("e"),
    ),
    st.builds(ToolApprovalRequest, approval_id=_IDS, tool_call_id=_IDS),
    st.builds(ToolApprovalResponse, approval_id=_IDS, approved=st.booleans()),
    st.builds(ToolOutputAvailable, tool_call_id=_IDS, output=st.just(1)),
    st.builds(ToolOutputError, tool_call_id=_IDS, error_text=st.just("e")),
    st.builds(ToolOutputDenied, tool_call_id=_IDS),
)
_SEED = UIMessage.model_validate(
    {
        "id": "m",
        "role": "assistant",
        "parts": [
            {
                "type": "tool-n",
                "toolCallId": "a",
                "state": "approval-requested",
                "input": {},
                "approval": {"id": "a"},
            },
        ],
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_ANY_CHUNK, max_size=30), st.sampled_from([None, _SEED]))
def test_whatever_is_let_pass_can_be_folded_and_closed(
    chunks: list[UIMessageChunk], continued: UIMessage | None
) -> None:
    parts, said = OpenParts(continued), []
    reducer = MessageReducer(continued, message_id="m")
    for chunk in chunks:
        try:
            parts.see(chunk)
        except LocalProtocolError:
            continue
        said.append(chunk)
        reducer.feed(chunk)
    for chunk in parts.close(said, why="stopped", cut_calls=True):
        reducer.feed(chunk)
    states = {getattr(part, "state", None) for part in reducer.message.parts}
    assert "streaming" not in states


def test_a_step_is_not_reset_while_an_earlier_part_is_open() -> None:
    with pytest.raises(LocalProtocolError, match="'reset-step' for 't'; it is open since"):
        after(TextStart(id="t"), StartStep(), ResetStep())


def test_a_call_that_was_made_in_two_steps_is_still_known_after_a_reset() -> None:
    parts = after(CALL, StartStep(), CALL, ASK, ResetStep())
    assert not parts.waits
    parts.see(ToolOutputAvailable(tool_call_id="c", output=1))
    with pytest.raises(LocalProtocolError, match="no approval"):
        parts.see(ToolApprovalResponse(approval_id="a", approved=True))


def test_blocks_end_before_their_step() -> None:
    parts = OpenParts()
    for chunk in (StartStep(), TextStart(id="t"), ReasoningStart(id="r"), ReasoningEnd(id="r")):
        parts.see(chunk)
    assert parts.end_blocks() == [TextEnd(id="t")]
    parts.see(ReasoningStart(id="s"))
    assert parts.end_blocks() == [ReasoningEnd(id="s")]
    parts.see(FinishStep())
    assert not parts.is_cut
    assert list(parts.close((), why="", cut_calls=False)) == []
