"""Attempts in their places, and what stays when one is taken back."""

from __future__ import annotations

from collections.abc import Sequence

from chat_transport.agent.attempts import AttemptMark
from chat_transport.chunks import (
    DataChunk,
    Finish,
    MessageMetadata,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolOutputAvailable,
    UIMessageChunk,
)
from chat_transport.transports.ably.speech import Speech


class Plain:
    """A speaker that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self) -> Sequence[object]:
        return ()

    def suspend(self) -> Sequence[object]:
        return ()

    def end(self, reason: str, **_: object) -> Sequence[object]:
        return ()

    def acknowledged(self, key: str, serial: str) -> Sequence[object]:
        return ()

    def encode(self, chunk: UIMessageChunk) -> Sequence[object]:
        return [chunk.type]


class Stepping(Plain):
    def begin_attempt(self, step: str) -> Sequence[object]:
        return [f"begin {step}"]

    def end_attempt(self, reason: str) -> Sequence[object]:
        return [f"end {reason}"]

    def settle(self) -> Sequence[object]:
        return ["settle"]

    def encode_beside(self, chunk: UIMessageChunk) -> Sequence[object]:
        return [f"beside {chunk.type}"]


def spoken(
    chunks: Sequence[UIMessageChunk], marks: Sequence[AttemptMark], speaker: Plain | None = None
) -> list[object]:
    speech = Speech(speaker or Stepping(), marks)  # type: ignore[arg-type]
    return [each for number, chunk in enumerate(chunks) for each in speech.say(number, chunk)]


TEXT = (TextStart(id="t"), TextDelta(id="t", delta="a"))
RETRIED = (
    AttemptMark(1, "plan"),
    AttemptMark(4, "plan", "failed"),
    AttemptMark(4, "plan", retries=True),
    AttemptMark(7, "plan", "complete"),
)


def test_a_retry_begins_with_a_step_of_its_own() -> None:
    chunks = [Start(), StartStep(), *TEXT, ResetStep(), *TEXT, TextDelta(id="u", delta="")]
    assert spoken(chunks, RETRIED) == [
        *("start", "begin plan", "start-step", "text-start", "text-delta", "end failed"),
        *("begin plan", "start-step", "text-start", "text-delta", "end complete", "text-delta"),
    ]


def test_what_is_left_of_a_dead_process_is_settled_before_the_reply_ends() -> None:
    assert spoken([Start(), Finish()], ()) == ["start", "settle", "finish"]
    assert spoken([Start(), Finish()], (), Plain()) == ["start", "finish"]


def test_a_wire_without_attempts_says_the_log_as_it_is() -> None:
    chunks = [Start(), StartStep(), *TEXT, ResetStep(), *TEXT]
    assert spoken(chunks, RETRIED, Plain()) == [chunk.type for chunk in chunks]


def test_marks_may_come_while_the_run_speaks() -> None:
    marks: list[AttemptMark] = []
    speech = Speech(Stepping(), marks)  # type: ignore[arg-type]
    assert speech.say(0, Start()) == ["start"]
    marks.append(AttemptMark(2, "plan"))
    assert speech.say(1, StartStep()) == ["start-step"]
    assert speech.say(2, StartStep()) == ["begin plan", "start-step"]


def test_metadata_and_what_is_said_of_earlier_calls_and_data_stays() -> None:
    call = ToolInputAvailable(tool_call_id="c", tool_name="n", input={})
    before = [
        DataChunk(type="data-a", id="1", data=1),
        ToolInputAvailable(tool_call_id="old", tool_name="n", input={}),
    ]
    inside = [
        MessageMetadata(message_metadata={}),
        DataChunk(type="data-a", id="1", data=2),
        DataChunk(type="data-b", id="1", data=3),
        DataChunk(type="data-b", data=4),
        ToolOutputAvailable(tool_call_id="old", output=1),
        ToolApprovalResponse(approval_id="asked-before", approved=True),
        call,
        ToolApprovalRequest(tool_call_id="c", approval_id="p"),
        ToolApprovalResponse(approval_id="p", approved=True),
        ToolOutputAvailable(tool_call_id="c", output=1),
    ]
    assert spoken([*before, *inside], [AttemptMark(2, "plan")])[2:] == [
        "begin plan",
        "beside message-metadata",
        "beside data-a",
        "data-b",
        "data-b",
        "beside tool-output-available",
        "beside tool-approval-response",
        "tool-input-available",
        "tool-approval-request",
        "tool-approval-response",
        "tool-output-available",
    ]


def test_data_of_an_attempt_that_counts_is_known_to_the_next_and_of_a_void_one_is_not() -> None:
    data = DataChunk(type="data-a", id="1", data=1)
    won = [AttemptMark(0, "plan"), AttemptMark(1, "plan", "complete"), AttemptMark(1, "act")]
    assert spoken([data, data], won)[2:] == ["end complete", "begin act", "beside data-a"]
    void = [*won[:2], AttemptMark(1, "plan", retries=True)]
    assert spoken([data, data], void)[2:] == ["end complete", "begin plan", "data-a"]
