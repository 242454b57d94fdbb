from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.testing.requests import check_requests


def case(folder: Path, golden: object) -> Path:
    message = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    body = {"messages": [message], "requests": {"x": golden, "unknown": {}}}
    (folder / "01-a.json").write_text(json.dumps(body))
    return folder


def body(messages: Sequence[UIMessage]) -> Any:
    return {"say": messages[0].text, "stream": True}


def refuse(messages: Sequence[UIMessage]) -> Any:
    raise LocalProtocolError("no")


def test_equal_bodies_pass_and_unknown_targets_are_left_out(tmp_path: Path):
    (outcome,) = check_requests(case(tmp_path, {"say": "Hi"}), {"x": body})
    assert (outcome.case, outcome.target, outcome.fault, outcome.listed) == (
        "01-a",
        "x",
        None,
        None,
    )


def test_other_bodies_fail_with_both(tmp_path: Path):
    (outcome,) = check_requests(case(tmp_path, {"say": "Bye"}), {"x": body})
    assert outcome.fault is not None
    assert "Hi" in outcome.fault
    assert "Bye" in outcome.fault


def test_where_the_golden_refuses_we_must(tmp_path: Path):
    golden = {"__error__": "unsupported"}
    assert next(check_requests(case(tmp_path, golden), {"x": refuse})).fault is None
    assert next(check_requests(case(tmp_path, golden), {"x": body})).fault is not None


def test_what_the_golden_would_fetch_is_a_listed_difference(tmp_path: Path):
    golden = {"__error__": "AI_DownloadError: Failed"}
    assert next(check_requests(case(tmp_path, golden), {"x": body})).listed == "never-fetches"


def test_input_that_was_never_an_object_goes_to_gemini_wrapped(tmp_path: Path):
    message = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    body = {"messages": [message], "requests": {"google": {"args": ["{"], "n": 1}}}
    (tmp_path / "01-a.json").write_text(json.dumps(body))

    def wrapped(_messages: Sequence[UIMessage]) -> Any:
        return {"args": [{"rawInvalidInput": "{"}], "n": 1}

    def other(_messages: Sequence[UIMessage]) -> Any:
        return {"args": [{"rawInvalidInput": "["}], "n": 1}

    assert next(check_requests(tmp_path, {"google": wrapped})).listed == "wraps-broken-input"
    assert next(check_requests(tmp_path, {"google": other})).fault is not None


def test_an_empty_message_of_the_user_is_not_sent(tmp_path: Path):
    golden = {"say": "Hi", "input": [{"role": "user", "content": []}, {"role": "user"}]}

    def spoken(_messages: Sequence[UIMessage]) -> Any:
        return {"say": "Hi", "input": [{"role": "user"}]}

    def mute(_messages: Sequence[UIMessage]) -> Any:
        return {"say": "Hi", "input": []}

    folder = case(tmp_path, golden)
    assert next(check_requests(folder, {"x": spoken})).listed == "no-empty-messages"
    assert next(check_requests(folder, {"x": mute})).fault is not None


def outcome(folder: Path, target: str, ours: Any, golden: Any) -> Any:
    message = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    case = {"messages": [message], "requests": {target: golden}}
    (folder / "01-a.json").write_text(json.dumps(case))
    return next(check_requests(folder, {target: lambda _messages: ours}))


def test_another_providers_result_is_no_reason_to_refuse(tmp_path: Path):
    refused = {"__error__": "AI_TypeValidationError: Type validation failed"}
    assert outcome(tmp_path, "x", {"say": 1}, refused).listed == "carries-foreign-results"
    other = {"__error__": "AI_UnsupportedFunctionalityError: no"}
    assert outcome(tmp_path, "x", {"say": 1}, other).fault is not None


def test_the_last_text_for_anthropic_may_be_trimmed_and_no_other(tmp_path: Path):
    def said(*texts: str, role: str = "assistant") -> Any:
        content = [{"type": "text", "text": text} for text in texts]
        return {"messages": [{"role": role, "content": content}]}

    trimmed = outcome(tmp_path, "anthropic", said(" a ", "b"), said(" a ", "b "))
    assert trimmed.listed == "trims-the-last-text"
    assert outcome(tmp_path, "anthropic", said("a", "b"), said("a ", "b")).fault is not None
    user = outcome(tmp_path, "anthropic", said("b", role="user"), said("b ", role="user"))
    assert user.fault is not None
    assert outcome(tmp_path, "openai-chat", said("b"), said("b ")).fault is not None
    assert outcome(tmp_path, "anthropic", {"messages": []}, {"messages": [1]}).fault is not None


def test_a_lost_input_is_an_empty_one(tmp_path: Path):
    lost = [{"functionCall": {"name": "f"}}, {"function": {"name": "f"}}]
    whole = [
        {"functionCall": {"name": "f", "args": {}}},
        {"function": {"name": "f", "arguments": "{}"}},
    ]
    assert outcome(tmp_path, "x", {"a": whole}, {"a": lost}).listed == "completes-lost-input"
    other = [{"functionCall": {"name": "f", "args": {"x": 1}}}, whole[1]]
    assert outcome(tmp_path, "x", {"a": other}, {"a": lost}).fault is not None
