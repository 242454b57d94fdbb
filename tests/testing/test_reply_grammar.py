"""The grammar of a reply: what is right passes, each fault is named."""

from __future__ import annotations

import pytest

from chat_transport.chunks import (
    Abort,
    Finish,
    FinishStep,
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
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.messages import UIMessage
from chat_transport.testing.reply_grammar import reply_faults

CALL = ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
RIGHT: list[UIMessageChunk] = [
    Start(),
    StartStep(),
    ReasoningStart(id="r"),
    ReasoningDelta(id="r", delta=""),
    ReasoningEnd(id="r"),
    ToolInputStart(tool_call_id="c", tool_name="n"),
    ToolInputDelta(tool_call_id="c", input_text_delta="{}"),
    CALL,
    ToolApprovalRequest(approval_id="a", tool_call_id="c"),
    ToolApprovalResponse(approval_id="a", approved=True),
    ToolOutputAvailable(tool_call_id="c", output=1, preliminary=True),
    ToolOutputAvailable(tool_call_id="c", output=2),
    ToolInputError(tool_call_id="e", tool_name="n", input="{", error_text="bad"),
    TextStart(id="void"),
    ResetStep(),
    FinishStep(),
    StartStep(),
    TextStart(id="t"),
    TextDelta(id="t", delta="x"),
    TextEnd(id="t"),
    FinishStep(),
    Finish(),
]


def test_a_right_reply_has_no_faults_and_so_has_each_beginning_of_it() -> None:
    assert reply_faults(RIGHT) == []
    for end in range(len(RIGHT)):
        assert reply_faults(RIGHT[:end], ended=False) == []


def test_calls_of_a_continued_message_are_known() -> None:
    part = {
        "type": "tool-n",
        "toolCallId": "c",
        "state": "approval-responded",
        "input": {},
        "approval": {"id": "a", "approved": False},
    }
    message = UIMessage.model_validate({"id": "m", "role": "assistant", "parts": [part]})
    chunks = [Start(), ToolOutputDenied(tool_call_id="c"), Finish()]
    assert reply_faults(chunks, continued=message) == []
    assert reply_faults(chunks) == ["chunk 1 (tool-output-denied): tool call 'c' was never made"]


@pytest.mark.parametrize(
    ("chunks", "fault"),
    [
        ([Finish()], "chunk 0 (finish): `start` comes first and once"),
        ([Start(), Start(), Finish()], "chunk 1 (start): `start` comes first and once"),
        ([Start()], "the end: no terminal chunk"),
        ([Start(), Finish(), Abort()], "chunk 2 (abort): comes after the terminal chunk `finish`"),
        ([Start(), TextStart(id="t"), Finish()], "the end: text 't' is still open"),
        (
            [Start(), TextStart(id="t"), TextStart(id="t"), TextEnd(id="t"), Finish()],
            "chunk 2 (text-start): text 't' is open already",
        ),
        (
            [Start(), TextDelta(id="t", delta=""), Finish()],
            "chunk 1 (text-delta): text 't' is not open",
        ),
        (
            [Start(), ReasoningEnd(id="r"), Finish()],
            "chunk 1 (reasoning-end): reasoning 'r' is not open",
        ),
        ([Start(), StartStep(), Finish()], "the end: a step is still open"),
        ([Start(), FinishStep(), Finish()], "chunk 1 (finish-step): no step is open"),
        (
            [Start(), StartStep(), StartStep(), FinishStep(), Finish()],
            "chunk 2 (start-step): the step before is not finished",
        ),
        (
            [Start(), StartStep(), TextStart(id="t"), FinishStep(), Finish()],
            "chunk 3 (finish-step): text 't' is still open",
        ),
        (
            [Start(), CALL, ToolInputStart(tool_call_id="c", tool_name="n"), CALL, Finish()],
            "chunk 2 (tool-input-start): tool call 'c' was made before",
        ),
        (
            [Start(), ToolInputDelta(tool_call_id="c", input_text_delta=""), Finish()],
            "chunk 1 (tool-input-delta): tool input 'c' is not open",
        ),
        (
            [Start(), CALL, *[ToolOutputError(tool_call_id="c", error_text="")] * 2, Finish()],
            "chunk 3 (tool-output-error): tool call 'c' has its output already",
        ),
        (
            [Start(), ToolApprovalRequest(approval_id="a", tool_call_id="c"), Finish()],
            "chunk 1 (tool-approval-request): tool call 'c' was never made",
        ),
        (
            [Start(), ToolApprovalResponse(approval_id="a", approved=True), Finish()],
            "chunk 1 (tool-approval-response): approval 'a' was never asked for",
        ),
    ],
)
def test_each_fault_is_named_with_its_place(chunks: list[UIMessageChunk], fault: str) -> None:
    assert reply_faults(chunks) == [fault]
