"""Signatures of texts, and calls that the end of the stream cuts off."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from chat_transport_google_genai import GeminiDecoder


def said(*parts: dict[str, Any], reason: str | None = "STOP") -> list[dict[str, Any]]:
    decoder = GeminiDecoder()
    events = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    if reason is not None:
        events[-1]["candidates"][0]["finishReason"] = reason
    chunks = [chunk for event in events for chunk in decoder.feed(event)]
    return [msgspec.to_builtins(chunk) for chunk in [*chunks, *decoder.end()]]


def signatures(chunks: list[dict[str, Any]]) -> list[str | None]:
    deltas = [chunk for chunk in chunks if chunk["type"] == "text-delta"]
    fields = [chunk.get("providerMetadata", {}).get("google", {}) for chunk in deltas]
    return [one.get("thoughtSignature") for one in fields]


def test_the_first_texts_signature_is_said_with_every_later_piece_of_it():
    chunks = said({"text": "a"}, {"text": "", "thoughtSignature": "S"}, {"text": "b"})
    assert signatures(chunks) == [None, "S", "S"]


def test_a_later_texts_signature_is_said_once():
    chunks = said(
        {"text": "a"},
        {"text": "think", "thought": True},
        {"text": "b", "thoughtSignature": "S"},
        {"text": "c"},
    )
    assert signatures(chunks) == [None, "S", None]


STREAMED = {
    "functionCall": {
        "name": "f",
        "willContinue": True,
        "partialArgs": [{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}],
    }
}


@pytest.mark.parametrize("reason", [None, "MAX_TOKENS"])
def test_a_call_that_the_streams_end_cuts_off_is_not_one_to_run(reason: str | None):
    kinds = [chunk["type"] for chunk in said(STREAMED, reason=reason)]
    assert "tool-input-available" not in kinds
    assert "tool-input-error" in kinds


def test_a_call_that_is_open_when_the_model_stops_is_ended():
    (call,) = [one for one in said(STREAMED) if one["type"] == "tool-input-available"]
    assert call["input"] == {"a": "x"}


def test_code_to_run_is_its_language_and_text():
    code = {"language": "PYTHON", "code": "1", "id": "x"}
    (call,) = [one for one in said({"executableCode": code}) if "input" in one]
    assert call["input"] == {"language": "PYTHON", "code": "1"}
