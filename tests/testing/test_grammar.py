from __future__ import annotations

import pytest

from chat_transport.chunks import (
    Abort,
    Error,
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.testing.grammar import grammar_faults

END = (FinishStep(), Finish())
TEXT = (TextStart(id="t"), TextDelta(id="t", delta="a"), TextEnd(id="t"))
CALL = ToolInputAvailable(tool_call_id="c", tool_name="w", input={})


@pytest.mark.parametrize(
    "chunks",
    [
        [Error(error_text="no")],
        [StartStep(), *TEXT, *END],
        [StartStep(), *TEXT, FinishStep(), StartStep(), *TEXT, *END],
        [StartStep(), ToolOutputAvailable(tool_call_id="earlier", output=1), *END],
        [StartStep(), CALL, ToolApprovalRequest(approval_id="a", tool_call_id="c"), *END],
    ],
)
def test_well_formed_steps_have_no_faults(chunks: list[UIMessageChunk]):
    assert grammar_faults(chunks) == []


@pytest.mark.parametrize(
    ("chunks", "fault"),
    [
        ([StartStep(), TEXT[0], *END], "finish-step while text 't' is open"),
        ([StartStep(), TEXT[1], *END], "text-delta for text 't', which is not open"),
        ([StartStep(), TEXT[0], *TEXT, *END], "text 't' is opened twice"),
        ([*TEXT, *END], "text-start outside a step"),
        ([StartStep(), StartStep(), *END], "start-step inside a step"),
        ([FinishStep(), Finish()], "finish-step outside a step"),
        ([StartStep(), Finish()], "finish inside a step"),
        ([StartStep(), FinishStep()], "the step ends without finish"),
        ([StartStep(), *END, Error(error_text="x")], "error after finish"),
        ([Start(), StartStep(), *END], "start is the run's to say"),
        ([StartStep(), *END, Abort()], "abort is the run's to say"),
        (
            [StartStep(), ToolApprovalRequest(approval_id="a", tool_call_id="c"), *END],
            "tool-approval-request for tool call 'c', never made",
        ),
        (
            [StartStep(), ToolInputStart(tool_call_id="c", tool_name="w"), *END],
            "finish-step while tool input 'c' is open",
        ),
        (
            [StartStep(), ToolInputDelta(tool_call_id="c", input_text_delta="x"), *END],
            "tool-input-delta for tool input 'c', which is not open",
        ),
    ],
)
def test_faults_are_named(chunks: list[UIMessageChunk], fault: str):
    assert fault in grammar_faults(chunks)
