from __future__ import annotations

import base64
from typing import Any

import pytest

from chat_transport.testing._vector_reading import check_reduce, check_sse
from chat_transport.testing._vector_tools import VectorFailed

RESPONSE: dict[str, Any] = {
    "status": 200,
    "method": "send",
    "null_body": False,
    "transport": "default",
    "body_error": None,
    "result": "stream",
}
FOLD: dict[str, Any] = {
    "initial_message": None,
    "initial_message_id": "a",
    "reset_on_first_start": False,
    "reset_on_message_id_change": True,
    "writes": [],
    "final_message": {"id": "a", "role": "assistant", "parts": []},
    "finish_reason": None,
    "open_text_ids": [],
    "open_reasoning_ids": [],
    "errors": [],
}


def response(body: str, **more: Any) -> dict[str, Any]:
    return {**RESPONSE, "body_pieces_base64": [base64.b64encode(body.encode()).decode()], **more}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("data: {oops}\n\n", "AI_JSONParseError"),
        ('data: {"type":"text-delta"}\n\n', "AI_TypeValidationError"),
        ("data: 7\n\n", "AI_TypeValidationError"),
        ('data: {"type":"finish","finishReason":"\\ud83d"}\n\n', "AI_TypeValidationError"),
    ],
)
def test_what_went_wrong_has_the_recorded_class_and_place(body: str, name: str):
    case = response(body, chunks=[], error="words", error_name=name, failed_at="stream")
    check_sse(case)
    for wrong in ({"error_name": "TypeError"}, {"failed_at": "request"}, {"error": None}):
        with pytest.raises(VectorFailed):
            check_sse(case | wrong)


def test_a_body_that_breaks_off_says_why():
    broken = {"name": "TypeError", "message": "terminated"}
    failed = {"error": "terminated", "error_name": "TypeError", "failed_at": "stream"}
    case = response("", body_error=broken, chunks=[], **failed)
    check_sse(case)
    with pytest.raises(VectorFailed, match="terminated"):
        check_sse(case | {"error": "network error"})


def test_nothing_to_resume_and_a_refusal_have_no_chunks():
    none = response("", status=204, method="reconnect", result="no-stream", chunks=[], error=None)
    check_sse(none)
    refused = response("nope", status=500, result="error", chunks=[], error="nope")
    check_sse(refused | {"error_name": "AI_APICallError", "error_status": 500})
    for case in (none, refused):
        with pytest.raises(VectorFailed, match="chunks"):
            check_sse(case | {"chunks": [{"type": "start"}]})


def test_callbacks_and_errors_of_a_fold_are_compared():
    data = {"type": "data-x", "data": 1, "transient": True}
    call = {"type": "tool-input-available", "toolCallId": "c", "toolName": "t", "input": {}}
    said = [data, {"type": "error", "errorText": "hiccup"}, {**call, "providerExecuted": True}]
    part = {"type": "tool-t", "toolCallId": "c", "input": {}, "state": "input-available"}
    case = FOLD | {
        "chunks": [*said, {"type": "no-such-type"}],
        "writes": [{"chunk": 2, "updates_status": True}],
        "final_message": {
            **FOLD["final_message"],
            "parts": [{**part, "providerExecuted": True}],
        },
        "data_events": [{"chunk": 0, "part": data}],
        "tool_call_events": [],
        "errors": [{"chunk": 1, "fatal": False, "name": "Error", "message": "hiccup"}],
        "error": "hiccup",
        "schema_invalid_chunks": [3],
    }
    check_reduce(case)
    for key in ("data_events", "errors", "schema_invalid_chunks", "tool_call_events"):
        with pytest.raises(VectorFailed, match=key):
            check_reduce(case | {key: ["wrong"]})


def test_a_fatal_error_names_its_chunk():
    said = [{"type": "text-delta", "id": "t", "delta": "x"}]
    words = (
        'Received text-delta for missing text part with ID "t". '
        'Ensure a "text-start" chunk is sent before any "text-delta" chunks.'
    )
    fatal = {
        "chunk": 0,
        "fatal": True,
        "name": "AI_UIMessageStreamError",
        "message": words,
        "chunk_type": "text-delta",
        "chunk_id": "t",
    }
    check_reduce(FOLD | {"chunks": said, "errors": [fatal]})
    with pytest.raises(VectorFailed, match="errors"):
        check_reduce(FOLD | {"chunks": said, "errors": [{**fatal, "chunk_id": "u"}]})
