from __future__ import annotations

from typing import Any

import pytest
from chat_transport_google_genai import gemini_body

from chat_transport.messages import UIMessage

SKIPPED = "skip_thought_signature_validator"


def call(call_id: str, **fields: Any) -> dict[str, Any]:
    known = {"type": "tool-f", "toolCallId": call_id, "state": "output-available"}
    return known | {"input": {}, "output": 1} | fields


def server(call_id: str, signature: str | None) -> dict[str, Any]:
    own = {"serverToolCallId": call_id, "serverToolType": "GOOGLE_SEARCH"}
    signed = own if signature is None else own | {"thoughtSignature": signature}
    return call(
        call_id,
        providerExecuted=True,
        callProviderMetadata={"google": signed},
        resultProviderMetadata={"google": own},
    )


def signatures(*parts: dict[str, Any], model: str = "gemini-3-pro") -> list[str | None]:
    said = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": list(parts)})
    body = gemini_body([UIMessage.user("Hi", id="u"), said], model=model)
    told = body["contents"][1]["parts"]
    return [
        part.get("thoughtSignature")
        for part in told
        if "functionCall" in part or "toolCall" in part
    ]


SIGNED = {"callProviderMetadata": {"google": {"thoughtSignature": "S"}}}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([call("1", **SIGNED), call("2")], ["S", None]),
        ([call("1"), call("2")], [SKIPPED, SKIPPED]),
        ([server("1", "T"), call("2")], ["T", SKIPPED]),
        ([call("1", **SIGNED), server("2", None)], ["S", SKIPPED]),
    ],
)
def test_gemini_3_wants_a_signature_on_the_first_function_call_and_on_its_own_tools(
    parts: list[dict[str, Any]], expected: list[str | None]
):
    assert signatures(*parts) == expected


def test_earlier_models_want_none():
    assert signatures(call("1"), server("2", None), model="gemini-2.5-pro") == [None, None]
