from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chat_transport.conversion import convert_to_model_messages
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.testing.vectors import run_case


def message(role: str, *parts: dict[str, Any]) -> UIMessage:
    return UIMessage.model_validate({"id": role[0], "role": role, "parts": list(parts)})


def call(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-f", "toolCallId": "c", "state": state, "input": 1, **fields}


def test_recorded_conversations_convert_as_in_ai_sdk(ui_vectors: Path):
    cases = json.loads((ui_vectors / "convert.json").read_text())
    assert {case["name"]: problem for case in cases if (problem := run_case("convert", case))} == {}


def test_a_bad_url_names_the_message():
    file = {"type": "file", "mediaType": "image/png", "url": "http://"}
    with pytest.raises(LocalProtocolError, match="unable to convert message 'u'; 'http://'"):
        convert_to_model_messages([message("user", file)])


def test_an_unanswered_approval_before_a_users_message_is_dropped():
    asked = message("assistant", call("approval-requested", approval={"id": "p"}))
    said = message("user", {"type": "text", "text": "never mind"})
    assert convert_to_model_messages([asked, said]) == [
        {"role": "user", "content": [{"type": "text", "text": "never mind"}]}
    ]
    assert len(convert_to_model_messages([asked])) == 1


def test_a_stopped_call_can_be_left_out():
    stopped = message("assistant", call("input-available"))
    assert len(convert_to_model_messages([stopped])) == 1
    assert convert_to_model_messages([stopped], ignore_incomplete_tool_calls=True) == []


def test_a_tool_may_tell_its_output_in_its_own_words():
    done = message("assistant", call("output-available", output={"c": 4}))
    tools = {"f": lambda output: {"type": "text", "value": f"{output['c']} degrees"}}
    _, results = convert_to_model_messages([done], tools=tools)
    assert results["content"][0]["output"] == {"type": "text", "value": "4 degrees"}


def test_system_texts_and_options_are_merged():
    parts = [
        {"type": "text", "text": "A", "providerMetadata": {"v": {"x": 1}}},
        {"type": "text", "text": "B", "providerMetadata": {"w": {"y": 2}}},
    ]
    assert convert_to_model_messages([message("system", *parts)]) == [
        {"role": "system", "content": "AB", "providerOptions": {"v": {"x": 1}, "w": {"y": 2}}}
    ]


def test_a_step_without_content_gives_no_message():
    empty = message(
        "assistant", {"type": "step-start"}, {"type": "source-url", "sourceId": "s", "url": "u"}
    )
    assert convert_to_model_messages([empty]) == []


def test_a_url_that_cannot_be_split_is_refused():
    file = {"type": "file", "mediaType": "image/png", "url": "http://[x"}
    with pytest.raises(LocalProtocolError, match="not an absolute URL"):
        convert_to_model_messages([message("user", file)])


def test_a_providers_result_keeps_its_own_options():
    part = call(
        "output-available", output=2, providerExecuted=True,
        callProviderMetadata={"v": {"c": 1}}, resultProviderMetadata={},
    )  # fmt: skip
    (answer,) = convert_to_model_messages([message("assistant", part)])
    assert [item.get("providerOptions") for item in answer["content"]] == [{"v": {"c": 1}}, {}]


def test_a_failed_call_without_input_has_none():
    failed = {"type": "tool-f", "toolCallId": "c", "state": "output-error", "errorText": "bad"}
    answer, results = convert_to_model_messages([message("assistant", failed)])
    assert answer["content"] == [{"type": "tool-call", "toolCallId": "c", "toolName": "f"}]
    assert results["content"][0]["output"] == {"type": "error-text", "value": "bad"}
