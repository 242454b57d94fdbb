"""What each deliberate difference takes away, and, beside it, what it leaves."""

from __future__ import annotations

import json

from chat_transport.testing import _settlements as settlements
from chat_transport.testing.replay import Recording


def settled(name: str, ours: list[dict], golden: list[dict], *events: dict, **fields: str) -> bool:
    texts = [json.dumps(event, separators=(",", ":")) for event in events]
    recording = Recording(**{"api": "openai-chat", "name": "n", "events": texts, **fields})
    settle = getattr(settlements, name)
    mine, theirs = settle(recording, ours, golden)
    return mine == theirs


def finish(reason: str) -> dict:
    return {"type": "finish", "finishReason": reason}


START, END = {"type": "text-start", "id": "1"}, {"type": "text-end", "id": "1"}
SAYS = {"type": "text-delta", "id": "1", "delta": "a"}
OPEN, CLOSE = {"type": "reasoning-start", "id": "r"}, {"type": "reasoning-end", "id": "r"}
THINK = {"type": "reasoning-delta", "id": "r", "delta": "x"}
STEP_END = {"type": "finish-step"}
ERROR = {"type": "error", "errorText": settlements.NO_REASON}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c"}
BEGUN, ENDED = {"type": "content_block_start"}, {"type": "content_block_stop"}


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


def test_a_compatible_server_without_a_reason_is_an_error_and_nothing_else():
    ours, golden = [STEP_END, finish("stop")], [ERROR, STEP_END, finish("error")]
    silent = {"choices": [{"finish_reason": None}]}
    compatible = {"provider": "openai-compatible"}
    assert settled("no_finish_reason", ours, golden, silent, **compatible)
    assert not settled("no_finish_reason", ours, golden[1:], silent, **compatible)
    assert not settled("no_finish_reason", ours, golden, {"finish_reason": "length"}, **compatible)


def test_the_other_packages_leave_the_reason_open():
    ours = [STEP_END, finish("stop")]
    open_end, other = [STEP_END, finish("interrupted")], [STEP_END, finish("other")]
    assert settled("no_finish_reason", ours, open_end, provider="openai.chat")
    assert settled("no_finish_reason", ours, other, provider="groq")
    assert not settled("no_finish_reason", ours, other, provider="openai.chat")


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


def test_reasoning_of_details_alone_is_taken_away_whole():
    ours, said = [OPEN, THINK, CLOSE], {"reasoning_details": []}
    assert settled("detailed_reasoning", ours, [], said)
    assert not settled("detailed_reasoning", ours, [OPEN, CLOSE], said)
    assert not settled("detailed_reasoning", ours, [])


def test_reasoning_in_fields_that_a_package_does_not_read_is_taken_away_whole():
    ours, said = [OPEN, THINK, CLOSE], {"reasoning_content": "x"}
    assert settled("unread_reasoning", ours, [], said, provider="openai.chat")
    assert not settled("unread_reasoning", ours, [], said, provider="groq")
    assert not settled("unread_reasoning", ours, [OPEN, CLOSE], said, provider="openai.chat")
    assert not settled("unread_reasoning", ours, [], provider="openai.chat")


def test_a_reason_is_other_for_the_packages_that_do_not_read_it():
    ours, golden = [finish("content-filter")], [finish("other")]
    said = {"finish_reason": "content_filter"}
    assert settled("every_reason", ours, golden, said, provider="mistral")
    assert not settled("every_reason", ours, golden, said, provider="groq")
    assert not settled("every_reason", ours, golden, {"finish_reason": "x"}, provider="mistral")
    assert not settled("every_reason", ours, [finish("stop")], said, provider="mistral")


def test_kept_details_are_taken_away_and_no_other_metadata():
    kept = CLOSE | {"providerMetadata": {"p": {"reasoning_details": []}}}
    more = CLOSE | {"providerMetadata": {"p": {"reasoning_details": [], "signature": "s"}}}
    assert settled("reasoning_details", [kept], [CLOSE])
    assert not settled("reasoning_details", [more], [CLOSE])


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


def test_tools_that_the_server_ran_are_taken_away_and_no_others():
    said = {"executed_tools": []}
    assert settled("executed_tools", [OUTPUT | {"providerExecuted": True}, START], [START], said)
    assert not settled("executed_tools", [OUTPUT, START], [START], said)
    assert not settled("executed_tools", [OUTPUT | {"providerExecuted": True}], [])


def test_sources_are_taken_away_where_the_golden_chunks_have_none():
    source, said = {"type": "source-url", "url": "u"}, {"type": "url_citation"}
    assert settled("sources", [source, START], [START], said)
    assert not settled("sources", [source, START], [source | {"url": "v"}, START], said)
    assert not settled("sources", [source, START], [START])


def test_the_words_of_all_choices_are_those_of_the_recording():
    events = [
        {"choices": [{"index": index, "delta": {"content": word}}]}
        for index, word in enumerate(["a", "b"])
    ]
    mixed = [START, SAYS, SAYS | {"delta": "b"}, END]
    assert settled("first_choice", [START, SAYS, END], mixed, *events)
    assert not settled("first_choice", [START, SAYS, END], mixed[:2] + mixed[3:], *events)
    assert not settled("first_choice", [STEP_END], mixed, *events)
    assert not settled("first_choice", [START, SAYS, END], mixed, events[0])


def test_speech_and_older_calls_are_taken_away_and_the_step_is_not():
    step = [{"type": "start-step"}, STEP_END]
    call = {"type": "tool-input-available", "toolCallId": "c"}
    assert settled("lost_content", [step[0], SAYS, step[1]], step, {"audio": {}})
    assert settled("lost_content", [step[0], call, step[1]], step, {"function_call": {}})
    assert not settled("lost_content", [step[0], SAYS, step[1]], step[:1], {"audio": {}})
    assert not settled("lost_content", [step[0], SAYS, step[1]], step, {"function_call": {}})


def test_only_a_failures_message_is_a_field_that_the_ai_sdk_does_not_know():
    failure = {"type": "x_tool_result_error", "error_code": "e"}
    ours = [OUTPUT | {"output": failure | {"error_message": "m"}}, OUTPUT | {"output": "text"}]
    assert settled("unknown_fields", ours, [OUTPUT | {"output": failure}, ours[1]])
    assert not settled("unknown_fields", ours, [OUTPUT | {"output": {"type": 1}}, ours[1]])
