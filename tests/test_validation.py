from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chat_transport.errors import RemoteProtocolError
from chat_transport.testing.vectors import run_case
from chat_transport.validation import ToolChecks, load_messages, validate_messages


def chat(*parts: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [{"id": "a", "role": "assistant", "parts": list(parts), **more}]


def call(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-f", "toolCallId": "c", "state": state, **fields}


number = TypeAdapter(int).validate_python


def test_recorded_messages_are_judged_as_by_ai_sdk(ui_vectors: Path):
    cases = json.loads((ui_vectors / "validate.json").read_text())
    assert {
        case["name"]: problem for case in cases if (problem := run_case("validate", case))
    } == {}


def test_an_error_names_the_place():
    messages = chat({"type": "text", "text": "x"}, {"type": "text"})
    with pytest.raises(RemoteProtocolError, match=r"messages\[0\]\.parts\[1\].*`text`") as raised:
        validate_messages(messages)
    assert raised.value.data == {"type": "text"}


def test_data_parts_need_a_check_that_they_pass():
    part = {"type": "data-n", "data": "x"}
    assert validate_messages(chat(part))
    with pytest.raises(RemoteProtocolError, match="no check is registered"):
        validate_messages(chat(part), data={})
    with pytest.raises(RemoteProtocolError, match=r"parts\[0\]"):
        validate_messages(chat(part), data={"n": number})
    assert validate_messages(chat({**part, "data": 1}), data={"n": number})


def test_metadata_is_checked():
    with pytest.raises(RemoteProtocolError, match=r"messages\[0\]\.metadata"):
        validate_messages(chat(metadata="x"), metadata=number)
    assert validate_messages(chat(metadata=1), metadata=number)


def test_a_finished_call_of_a_lost_tool_becomes_dynamic_and_an_open_one_is_refused():
    done = validate_messages(chat(call("output-available", input=1, output=2)), tools={})
    assert done[0].parts[0].to_wire()["dynamic"] is False
    assert done[0].parts[0].to_wire()["toolName"] == "f"
    with pytest.raises(RemoteProtocolError, match="no tool is registered under 'f'"):
        validate_messages(chat(call("input-available", input=1)), tools={})


def test_inputs_and_outputs_are_checked():
    tools = {"f": ToolChecks(input=number, output=number)}
    assert validate_messages(chat(call("output-available", input=1, output=2)), tools=tools)
    with pytest.raises(RemoteProtocolError):
        validate_messages(chat(call("output-available", input=1, output="x")), tools=tools)
    with pytest.raises(RemoteProtocolError):
        validate_messages(chat(call("input-available", input="x")), tools=tools)
    failed = validate_messages(chat(call("output-error", input="x", errorText="bad")), tools=tools)
    assert failed[0].parts[0].type == "dynamic-tool"
    streaming = call("input-streaming", input="x")
    assert validate_messages(chat(streaming), tools=tools)[0].parts[0].type == "tool-f"


def test_what_was_approved_must_be_what_runs():
    approval = {"id": "p", "inputSchemaInput": 2}
    tools = {"f": ToolChecks(input=number)}
    with pytest.raises(RemoteProtocolError, match="does not give the stored input"):
        validate_messages(chat(call("approval-requested", input=1, approval=approval)), tools=tools)


def test_an_old_store_is_read_as_far_as_it_goes():
    loaded = load_messages(
        [
            "nonsense",
            {"role": "user", "content": "legacy"},
            *chat(
                {"type": "text", "text": "x", "state": "paused", "providerMetadata": None},
                {"type": "novel"},
                call("input-available"),
                call("result", input=1, output=2),
                {"type": "tool-f"},
            ),
        ]
    )
    assert [message.to_wire() for message in loaded.messages] == [
        {"id": "messages[1]", "role": "user", "parts": [{"type": "text", "text": "legacy"}]},
        *chat(
            {"type": "text", "text": "x"},
            {"type": "dynamic-tool", "toolName": "f", "toolCallId": "c", "dynamic": False, "input": None,
             "state": "output-error", "errorText": "This tool call could not be loaded."},
            {"type": "dynamic-tool", "toolName": "f", "toolCallId": "c", "dynamic": False, "input": 1,
             "state": "output-available", "output": 2},
        ),
    ]  # fmt: skip
    assert [problem.path for problem in loaded.problems] == [
        "messages[0]", "messages[1]", "messages[1]",
        *(f"messages[2].parts[{at}]" for at in range(5)),
    ]  # fmt: skip
    assert loaded.problems[3].remedy == "without state, providerMetadata"


def test_what_is_no_list_loads_nothing():
    loaded = load_messages({"id": "a"})
    assert loaded.messages == []
    assert len(loaded.problems) == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "assistant", "user", "tool-f", "text", "output-available"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "role", "parts", "type", "text", "state", "toolCallId", "input", "output", "approval"]), inner, max_size=6),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(anything)
def test_whatever_is_loaded_is_valid(value: object):
    loaded = load_messages(value)
    wire = [message.to_wire() for message in loaded.messages]
    if wire and all(message["parts"] or message["role"] == "assistant" for message in wire):
        assert [message.to_wire() for message in validate_messages(wire)] == wire
