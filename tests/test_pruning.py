from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.pruning import PruneToolCalls, prune_messages
from chat_transport.testing.vectors import run_case

CALL = {"type": "tool-call", "toolCallId": "1", "toolName": "f", "input": {}}
RESULT = {
    "type": "tool-result",
    "toolCallId": "1",
    "toolName": "f",
    "output": {"type": "text", "value": "r"},
}
THOUGHT = {"type": "reasoning", "text": "r"}
TEXT = {"type": "text", "text": "x"}


def assistant(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


def tool(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "tool", "content": list(parts)}


def test_recorded_histories_are_pruned_as_in_ai_sdk(ui_vectors: Path):
    cases = json.loads((ui_vectors / "prune.json").read_text())
    assert {case["name"]: problem for case in cases if (problem := run_case("prune", case))} == {}


def test_what_a_kept_message_refers_to_is_kept():
    history = [assistant(CALL), tool(RESULT)]
    assert prune_messages(history, tool_calls="before-last-message") == history
    assert prune_messages([*history, assistant(TEXT)], tool_calls="before-last-message") == [
        assistant(TEXT)
    ]


def test_an_answer_keeps_the_call_that_it_allows():
    asked = assistant(CALL, {"type": "tool-approval-request", "approvalId": "p", "toolCallId": "1"})
    answer = tool({"type": "tool-approval-response", "approvalId": "p", "approved": True})
    assert prune_messages([asked, answer], tool_calls="before-last-message") == [asked, answer]


def test_reasoning_goes_with_the_call_that_it_led_to():
    history = [assistant(THOUGHT, CALL, THOUGHT, TEXT), tool(RESULT)]
    assert prune_messages(history, tool_calls="all") == [assistant(THOUGHT, TEXT)]


def test_messages_that_are_left_empty_may_stay():
    assert prune_messages([assistant(CALL)], tool_calls="all", empty_messages="keep") == [
        assistant()
    ]
    assert prune_messages([assistant(CALL)], tool_calls="all") == []


def test_other_tools_are_spared():
    rule = PruneToolCalls(tools=["g"])
    assert prune_messages([assistant(CALL), tool(RESULT)], tool_calls=[rule]) == [
        assistant(CALL),
        tool(RESULT),
    ]


def test_the_given_messages_stay_as_they_are():
    history = [assistant(THOUGHT, CALL, TEXT)]
    assert prune_messages(history, reasoning="all", tool_calls="all") == [assistant(TEXT)]
    assert history == [assistant(THOUGHT, CALL, TEXT)]


def test_an_unknown_word_is_refused():
    with pytest.raises(ValueError, match="unknown type 'before-lunch'"):
        prune_messages([assistant(CALL)], tool_calls="before-lunch")


def test_a_kept_result_keeps_its_call_but_not_the_approval():
    asked = assistant(CALL, {"type": "tool-approval-request", "approvalId": "p", "toolCallId": "1"})
    assert prune_messages([asked, tool(RESULT)], tool_calls="before-last-message") == [
        assistant(CALL),
        tool(RESULT),
    ]


def test_a_call_of_an_unknown_tool_is_not_spared():
    answer = tool({"type": "tool-approval-response", "approvalId": "p", "approved": True})
    assert prune_messages([answer], tool_calls=[PruneToolCalls(tools=["g"])]) == []
