"""What each difference of Chat Completions takes away, and, beside it, what it leaves."""

from __future__ import annotations

from functools import partial

import settling
from settling import CLOSE, END, OPEN, OUTPUT, SAYS, START, STEP_END, THINK, finish

from chat_transport.testing import _chat_settlements as settlements

settled = partial(settling.settled, settlements)

ERROR = {"type": "error", "errorText": settlements.NO_REASON}


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
