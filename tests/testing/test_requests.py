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
