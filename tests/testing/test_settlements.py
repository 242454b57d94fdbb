"""What each deliberate difference takes away, and, beside it, what it leaves."""

from __future__ import annotations

import json
from functools import partial

import settling
from settling import BEGUN, CLOSE, END, ENDED, OPEN, OUTPUT, SAYS, START, STEP_END, THINK, finish

from chat_transport.testing import _settlements as settlements

settled = partial(settling.settled, settlements)


def test_a_part_that_the_recording_leaves_open_may_be_closed():
    ours, golden = [START, END, STEP_END], [START, STEP_END]
    assert settled("closings", ours, golden, BEGUN, api="anthropic")
    assert not settled("closings", ours, golden, BEGUN, ENDED, api="anthropic")
    assert not settled("closings", ours, golden)


def test_a_part_that_is_left_open_before_others_must_be_ended():
    ours, golden = [START, END, OPEN, STEP_END], [START, OPEN, STEP_END]
    assert not settled("closings", ours, golden, BEGUN, api="anthropic")


def test_where_an_api_has_no_ends_a_broken_stream_leaves_parts_open():
    ours, golden = [START, END, STEP_END], [START, STEP_END]
    broken, whole = finish("interrupted"), finish("stop")
    assert settled("closings", [*ours, broken], [*golden, broken], api="words")
    assert not settled("closings", [*ours, whole], [*golden, whole], api="words")


def test_more_parts_are_not_closed_than_the_recording_leaves_open():
    tool = {"type": "tool-input-start", "toolCallId": "c"}
    broken = {"type": "tool-input-error", "toolCallId": "c"}
    ours, golden = [START, tool, END, broken, STEP_END], [START, tool, STEP_END]
    assert not settled("closings", ours, golden, BEGUN, api="anthropic")
    assert settled("closings", ours, golden, BEGUN, BEGUN, api="anthropic")


def test_only_older_packages_say_other_for_a_stream_that_breaks():
    ours, golden = [finish("interrupted")], [finish("other")]
    assert settled("interrupted", ours, golden, provider="groq")
    assert not settled("interrupted", ours, golden, provider="openai.chat")


def test_an_error_that_comes_first_may_have_a_step_around_it():
    error = {"type": "error", "errorText": "x"}
    golden = [{"type": "start-step"}, error, STEP_END, finish("error")]
    assert settled("error_alone", [error], golden, {"error": {}}, api="gemini")
    assert not settled("error_alone", [error], golden, {"text": 1}, {"error": {}}, api="gemini")
    assert not settled("error_alone", [error], [*golden[:3], finish("stop")], {"error": {}})
    assert not settled("error_alone", [error], [error | {"errorText": "y"}], {"error": {}})


def test_gemini_leaves_open_only_calls_that_come_in_pieces():
    call = {"type": "tool-input-start", "toolCallId": "c"}
    broken = {"type": "tool-input-error", "toolCallId": "c"}
    ours, golden = [call, broken, STEP_END], [call, STEP_END]
    assert settled("closings", ours, golden, {"willContinue": True}, api="gemini")
    assert not settled("closings", ours, golden, {"functionCall": {}}, api="gemini")


def test_the_providers_word_after_its_error_may_be_the_reason():
    error = {"type": "error", "errorText": "x"}
    ours, golden = [error, finish("error")], [error, finish("stop")]
    failed, stops = {"error": {}}, {"finish_reason": "stop"}
    assert settled("error_reason", ours, golden, failed, stops)
    assert not settled("error_reason", ours, golden, stops, failed)
    assert not settled("error_reason", ours, [error, finish("length")], failed, stops)


def test_geminis_reasons_are_settled_for_gemini_alone_and_where_it_says_them():
    ours, golden = [finish("content-filter")], [finish("other")]
    language = {"finishReason": "LANGUAGE"}
    assert settled("more_reasons", ours, golden, language, api="gemini")
    assert not settled("more_reasons", ours, golden, {"finishReason": "SAFETY"}, api="gemini")
    assert not settled("more_reasons", ours, golden, language)


def test_words_for_broken_input_are_those_of_a_parser():
    broken = {"type": "tool-input-error", "toolCallId": "c", "input": "{"}
    ours = [broken | {"errorText": "the input is not JSON"}]
    said = "Invalid input for tool x: JSON parsing failed"
    assert settled("broken_input", ours, [broken | {"errorText": said}])
    assert not settled("broken_input", ours, [broken | {"errorText": "boom"}])
    assert not settled("broken_input", ours, [broken | {"errorText": said, "input": "["}])


def test_reasoning_text_is_taken_away_word_by_word():
    said = {"type": "response.reasoning_text.delta", "delta": "x"}
    assert settled("reasoning_text", [OPEN, THINK, CLOSE], [OPEN, CLOSE], said)
    assert settled("reasoning_text", [OPEN, THINK, CLOSE], [], said)
    other = THINK | {"delta": "y"}
    assert not settled("reasoning_text", [OPEN, other, CLOSE], [OPEN, CLOSE], said)
    assert not settled("reasoning_text", [OPEN, THINK, THINK, CLOSE], [OPEN, CLOSE], said)


def test_images_are_taken_away_where_the_recording_has_some():
    ours = [OUTPUT | {"preliminary": True}, {"type": "file"}]
    assert settled("images", ours, [OUTPUT], {"type": "image_generation_call"})
    assert not settled("images", ours, [OUTPUT], {"type": "message"})


def test_a_failed_mcp_call_is_said_as_its_output():
    output = {"type": "call", "name": "f", "error": "x"}
    text = json.dumps(output, separators=(",", ":"))
    ours = [{"type": "tool-output-error", "toolCallId": "c", "errorText": text}]
    assert settled("failed_mcp", ours, [OUTPUT | {"output": output}])
    assert not settled("failed_mcp", ours, [OUTPUT | {"output": output | {"name": "g"}}])
    other = [{"type": "tool-output-error", "toolCallId": "c", "errorText": "boom"}]
    assert not settled("failed_mcp", other, [OUTPUT | {"output": output}])


def test_only_a_failures_message_is_a_field_that_the_ai_sdk_does_not_know():
    failure = {"type": "x_tool_result_error", "error_code": "e"}
    ours = [OUTPUT | {"output": failure | {"error_message": "m"}}, OUTPUT | {"output": "text"}]
    assert settled("unknown_fields", ours, [OUTPUT | {"output": failure}, ours[1]])
    assert not settled("unknown_fields", ours, [OUTPUT | {"output": {"type": 1}}, ours[1]])


def test_anthropics_package_says_that_a_stream_without_words_was_nothing():
    start, custom = {"type": "start-step"}, {"type": "custom", "kind": "anthropic.message_start"}
    nothing = {"type": "error", "errorText": settlements.NO_OUTPUT}
    ours = [start, custom, STEP_END, finish("interrupted")]
    assert settled("interrupted", ours, [start, custom, nothing], api="anthropic")
    assert settled("interrupted", [start, *ours[2:]], [nothing], api="anthropic")
    assert not settled("interrupted", [start, SAYS, *ours[2:]], [start, nothing], api="anthropic")
    assert not settled("interrupted", [*ours[:3], finish("stop")], [start, custom, nothing])


def test_geminis_package_ends_text_with_the_stream():
    ours, golden = [START, END, STEP_END], [START, STEP_END]
    broken = finish("interrupted")
    assert not settled("closings", [*ours, broken], [*golden, broken], api="gemini")
