from __future__ import annotations

from chat_transport.messages import DataPart, StepStartPart, TextPart, ToolPart, UIMessage
from chat_transport.reducer._message_state import (
    MessageState,
    PartState,
    StreamedInput,
    join_pieces,
)


def _call(call_id: str) -> PartState:
    return PartState(
        ToolPart, {"type": "tool-f", "tool_call_id": call_id, "state": "input-available"}
    )


def test_calls_are_found_in_the_step_first_then_last_in_the_message():
    state = MessageState("m")
    first, second = state.push(_call("c")), state.push(_call("c"))
    assert state.call("c") is first
    state.push(PartState(StepStartPart, {"type": "step-start"}))
    assert state.call_in_step("c") is None
    assert state.call("c") is second
    third = state.push(_call("c"))
    assert state.call_of_kind("c", dynamic=False) is third
    assert state.call_of_kind("c", dynamic=True) is None


def test_dropping_a_step_forgets_its_calls():
    state = MessageState("m", parts=[_call("a")])
    state.push(PartState(StepStartPart, {"type": "step-start"}))
    state.push(_call("b"))
    assert state.drop_steps()
    assert state.call("b") is None
    assert state.call("a") is not None
    assert not state.drop_steps()


def test_several_steps_go_with_all_markers_but_the_first() -> None:
    state = MessageState("m")
    for _ in range(3):
        state.push(PartState(StepStartPart, {"type": "step-start"}))
        state.push(PartState(TextPart, {"type": "text", "text": "x", "state": "done"}))
    assert state.drop_steps(2)
    assert [part.type for part in state.snapshot().parts] == ["step-start", "text", "step-start"]
    assert state.drop_steps(3), "there are not so many: everything goes"
    assert state.snapshot().parts == []
    assert not state.drop_steps(3)


def test_data_parts_are_found_by_type_and_id():
    state = MessageState("m")
    part = state.push(PartState(DataPart, {"type": "data-x", "id": "", "data": 1}))
    state.push(PartState(DataPart, {"type": "data-x", "data": 1}))
    assert state.data_part("data-x", "") is part
    assert state.data_part("data-y", "") is None


def test_a_message_is_adopted_with_what_it_does_not_know():
    message = UIMessage.model_validate(
        {"id": "a", "role": "assistant", "metadata": None, "more": 1,
         "parts": [{"type": "text", "text": "x", "kept": True}]},
    )  # fmt: skip
    assert MessageState.of(message).snapshot().to_wire() == message.to_wire()


def test_pieces_are_joined_once():
    part = PartState(TextPart, {"type": "text", "text": ""})
    part.pieces = ["a", "b"]
    part.settle()
    assert (part.pieces, part.fields["text"]) == (["ab"], "ab")


def test_a_text_input_is_not_parsed():
    part = _call("c")
    part.input = StreamedInput(tool_name="f", dynamic=False, encoding="text", text="{not json")
    part.settle()
    assert part.fields["input"] == "{not json"


def test_joining_leaves_lone_surrogates_alone():
    assert join_pieces(["a\ud83d", "b"]) == "a\ud83db"
    assert join_pieces(["\ud83d", "\ude80"]) == "\U0001f680"
