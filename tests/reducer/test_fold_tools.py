from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.chunks import (
    ABSENT,
    CHUNK_TYPES,
    StartStep,
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
from chat_transport.reducer import MessageReducer
from chat_transport.reducer._fold_content import CONTENT_FOLDS
from chat_transport.reducer._fold_tools import TOOL_FOLDS
from chat_transport.testing.vectors import run_case

OWN = ("tool/", "approval/", "partial-json/", "dynamic-tool/")
ASKED = ToolInputAvailable(tool_call_id="c", tool_name="f", input={})


def part_after(*chunks: UIMessageChunk) -> dict[str, object]:
    reducer = MessageReducer(message_id="m")
    for chunk in chunks:
        reducer.feed(chunk)
    assert len(reducer.message.parts) == 1
    return reducer.message.parts[0].to_wire()


def test_recorded_calls_fold_as_in_ai_sdk(ui_vectors: Path):
    cases = [
        case
        for case in json.loads((ui_vectors / "reduce.json").read_text())
        if case["name"].startswith(OWN)
    ]
    assert len(cases) > 50
    assert {case["name"]: problem for case in cases if (problem := run_case("reduce", case))} == {}


def test_a_refused_call_keeps_its_answer():
    part = part_after(
        ASKED,
        ToolApprovalRequest(approval_id="p", tool_call_id="c", reason="why", is_automatic=False),
        ToolApprovalResponse(approval_id="p", approved=False, reason="no"),
        ToolOutputDenied(tool_call_id="c"),
    )
    assert part["state"] == "output-denied"
    assert part["approval"] == {
        "id": "p",
        "requestReason": "why",
        "approved": False,
        "reason": "no",
    }


def test_a_final_output_clears_preliminary():
    part = part_after(
        ASKED,
        ToolOutputAvailable(tool_call_id="c", output=1, preliminary=True),
        ToolOutputAvailable(tool_call_id="c", output=None),
    )
    assert part == {
        "type": "tool-f", "toolCallId": "c", "state": "output-available", "input": {}, "output": None,
    }  # fmt: skip


@pytest.mark.parametrize("dynamic", [ABSENT, True])
def test_an_error_clears_the_output(dynamic: Any):
    part = part_after(
        ToolInputAvailable(tool_call_id="c", tool_name="f", input=1, dynamic=dynamic),
        ToolOutputAvailable(tool_call_id="c", output=1),
        ToolOutputError(tool_call_id="c", error_text="bad"),
    )
    assert part["errorText"] == "bad"
    assert "output" not in part


def test_the_kind_of_a_known_call_wins_over_the_flag():
    part = part_after(
        ToolInputStart(tool_call_id="c", tool_name="f", dynamic=True),
        ToolInputError(tool_call_id="c", tool_name="f", input="{", error_text="bad"),
    )
    assert part["type"] == "dynamic-tool"


def test_a_repaired_name_shows():
    part = part_after(ToolInputStart(tool_call_id="c", tool_name="wether"), ASKED)
    assert part["type"] == "tool-f"


def test_every_chunk_class_is_folded_or_silent():
    silent = {"abort", "error", "finish-step"}
    folded = {cls.type for cls in (*CONTENT_FOLDS, *TOOL_FOLDS) if cls.type in CHUNK_TYPES}
    assert folded | silent == set(CHUNK_TYPES)
    assert not folded & silent


def test_an_adopted_message_goes_on_with_the_open_inputs_of_its_last_step():
    reducer = MessageReducer(message_id="m")
    for chunk in (
        ToolInputStart(tool_call_id="c", tool_name="f", dynamic=True),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"a":'),
        ASKED,
    ):
        reducer.feed(chunk)
    again = MessageReducer(reducer.message, message_id="unused")
    again.feed(ToolInputDelta(tool_call_id="c", input_text_delta="1}"))
    assert again.message.parts[0].to_wire() == {
        "type": "dynamic-tool", "toolName": "f", "toolCallId": "c", "state": "input-streaming",
        "input": {"a": 1}, "rawInput": '{"a":1}',
    }  # fmt: skip


def test_an_input_that_is_begun_again_settles_what_it_said_before():
    reducer = MessageReducer(message_id="m")
    for chunk in (
        ToolInputStart(tool_call_id="c", tool_name="f"),
        ToolInputDelta(tool_call_id="c", input_text_delta="[1"),
        StartStep(),
        ToolInputStart(tool_call_id="c", tool_name="f"),
    ):
        reducer.feed(chunk)
    assert [part.to_wire().get("input") for part in reducer.message.parts] == [[1], None, None]


def test_a_dynamic_part_that_a_delta_made_shows_its_text_from_the_next_delta_on():
    # As ai 7.0.173 does: found by comparing random replies with it.
    reducer = MessageReducer(message_id="m")
    for chunk in (
        ToolInputStart(tool_call_id="c", tool_name="f", dynamic=True),
        StartStep(),
        ToolInputDelta(tool_call_id="c", input_text_delta="[1"),
    ):
        reducer.feed(chunk)
    assert "rawInput" not in reducer.message.parts[2].to_wire()
    reducer.feed(ToolInputDelta(tool_call_id="c", input_text_delta="]"))
    assert reducer.message.parts[2].to_wire()["rawInput"] == "[1]"
