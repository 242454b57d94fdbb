from __future__ import annotations

import pytest

from chat_transport.testing.differences import DIFFERENCES
from chat_transport.testing.replay import Recording


def settle(name: str, ours: list[dict], golden: list[dict], *events: str, **fields: str):
    recording = Recording(**{"api": "openai-chat", "name": "n", "events": events, **fields})
    (difference,) = [one for one in DIFFERENCES if one.name == name]
    mine, theirs = difference.settle(recording, ours, golden)
    return mine == theirs


def test_every_difference_has_its_own_name_and_a_reason():
    names = [difference.name for difference in DIFFERENCES]
    assert len(set(names)) == len(names)
    assert all(len(difference.reason) > 40 for difference in DIFFERENCES)


def test_every_difference_names_the_paragraph_that_asks_for_it():
    assert all(difference.paragraph[0].isdigit() for difference in DIFFERENCES)


START, END = {"type": "text-start", "id": "1"}, {"type": "text-end", "id": "1"}
THINK = {"type": "reasoning-delta", "id": "r", "delta": "x"}
OPEN, CLOSE = {"type": "reasoning-start", "id": "r"}, {"type": "reasoning-end", "id": "r"}
NO_REASON = "Response stream ended without a finish reason."
BROKEN = {"type": "tool-input-error", "toolCallId": "c", "input": "{"}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c"}


@pytest.mark.parametrize(
    ("name", "ours", "golden", "event"),
    [
        ("closes-open-parts", [START, END], [START], ""),
        ("shows-reasoning-text", [OPEN, THINK, CLOSE], [OPEN, CLOSE], "reasoning_text.delta"),
        ("shows-reasoning-details", [OPEN, THINK, CLOSE], [], "reasoning_details"),
        (
            "keeps-reasoning-details",
            [CLOSE | {"providerMetadata": {"p": {"reasoning_details": []}}}],
            [CLOSE],
            "",
        ),
        (
            "ends-without-reason",
            [{"type": "finish", "finishReason": "stop"}],
            [{"type": "error", "errorText": NO_REASON}, {"type": "finish"}],
            "",
        ),
        (
            "ends-without-reason",
            [{"type": "finish", "finishReason": "stop"}],
            [{"type": "finish", "finishReason": "interrupted"}],
            '"finish_reason":null',
        ),
        (
            "says-interrupted",
            [{"type": "finish", "finishReason": "interrupted"}],
            [{"type": "finish", "finishReason": "other"}],
            "",
        ),
        (
            "errors-are-the-reason",
            [{"type": "error"}, {"type": "finish", "finishReason": "error"}],
            [{"type": "error"}, {"type": "finish", "finishReason": "stop"}],
            "",
        ),
        (
            "own-words-for-broken-input",
            [BROKEN | {"errorText": "the input is not JSON"}],
            [BROKEN | {"errorText": "SyntaxError"}],
            "",
        ),
        (
            "images-are-files",
            [OUTPUT | {"preliminary": True}, {"type": "file"}],
            [OUTPUT],
            "image_generation_call",
        ),
        (
            "failed-mcp-calls-fail",
            [{"type": "tool-output-error", "toolCallId": "c", "errorText": "x"}],
            [OUTPUT | {"output": {"type": "call", "error": "x"}}],
            "",
        ),
        ("shows-executed-tools", [OUTPUT, START], [START], "executed_tools"),
        ("shows-sources", [{"type": "source-url"}, START], [START], "url_citation"),
        (
            "first-choice-only",
            [START],
            [START, {"type": "text-delta", "id": "1", "delta": "other"}],
            '"index":1,',
        ),
        (
            "keeps-audio-and-functions",
            [{"type": "start-step"}, START, {"type": "finish"}],
            [{"type": "start-step"}, {"type": "finish"}],
            '"audio":{',
        ),
        (
            "keeps-unknown-fields",
            [OUTPUT | {"output": [{"a": 1, "new": 2}]}],
            [OUTPUT | {"output": [{"a": 1}]}],
            "",
        ),
    ],
)
def test_a_difference_takes_away_what_it_names(
    name: str, ours: list[dict], golden: list[dict], event: str
):
    assert ours != golden
    assert settle(name, ours, golden, event)


def test_geminis_reasons_are_settled_for_gemini_alone():
    ours = [{"type": "finish", "finishReason": "content-filter"}]
    golden = [{"type": "finish", "finishReason": "other"}]
    assert settle("maps-more-reasons", ours, golden, api="gemini")
    assert not settle("maps-more-reasons", ours, golden)


def test_a_reason_that_was_given_is_compared():
    ours = [{"type": "finish", "finishReason": "stop"}]
    golden = [{"type": "finish", "finishReason": "length"}]
    assert not settle("ends-without-reason", ours, golden, '"finish_reason": "length"')


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_words_that_differ_are_never_settled(difference):
    recording = Recording(api="openai-responses", name="n", events=[])
    ours = [{"type": "text-delta", "id": "1", "delta": "a"}]
    golden = [{"type": "text-delta", "id": "1", "delta": "b"}]
    assert difference.settle(recording, ours, golden) == (ours, golden)
