from __future__ import annotations

import pytest

from chat_transport.codecs.client_profiles import V6, V7
from chat_transport.codecs.retold import retold
from chat_transport.messages import UIMessage
from chat_transport.reducer import MessageReducer

CALL = {"type": "tool-weather", "toolCallId": "c1", "input": {"city": "Paris"}}
PARTS = [
    {"type": "step-start"},
    {"type": "reasoning", "id": "r", "text": "hm", "state": "done", "providerMetadata": {"p": {"a": 1}}},
    {"type": "text", "text": "I look. ", "state": "done", "citations": [{"n": 1}]},
    {**CALL, "state": "output-available", "output": None},
    {**CALL, "toolCallId": "c2", "state": "output-error", "errorText": "no", "title": "Weather"},
    {**CALL, "toolCallId": "c3", "state": "output-denied"},
    {**CALL, "toolCallId": "c4", "state": "input-available", "providerExecuted": True},
    {**CALL, "toolCallId": "c5", "state": "approval-requested", "approval": {"id": "a", "signature": "s"}},
    {"type": "dynamic-tool", "toolName": "any", "toolCallId": "c6", "state": "input-available", "input": 1},
    {"type": "step-start"},
    {"type": "source-url", "sourceId": "s", "url": "https://example.com/", "title": "T"},
    {"type": "source-document", "sourceId": "d", "mediaType": "text/plain", "title": "D"},
    {"type": "file", "mediaType": "image/png", "url": "https://example.com/a.png"},
    {"type": "data-note", "id": "n", "data": {"n": 1}},
    {"type": "text", "text": "Done.", "state": "done"},
]  # fmt: skip


def fold(message: UIMessage) -> UIMessage:
    stale = UIMessage.model_validate({"id": "x", "role": "assistant", "parts": PARTS[:3]})
    reducer = MessageReducer(stale, message_id="x", reset_on_first_start=True)
    for chunk in retold(message):
        reducer.feed(chunk)
    assert not reducer.open_text_ids
    return reducer.message


def test_a_client_that_starts_anew_makes_the_same_message():
    wire = {"id": "m", "role": "assistant", "metadata": {"k": 1}, "parts": PARTS}
    assert fold(UIMessage.model_validate(wire)).to_wire() == wire


@pytest.mark.parametrize("profile", [V6, V7])
@pytest.mark.parametrize("approved", [True, False])
def test_an_answered_approval_is_told_in_words_that_every_client_knows(profile, *, approved: bool):
    call = {**CALL, "state": "approval-responded", "approval": {"id": "a", "approved": approved}}
    message = UIMessage.model_validate({"id": "m", "role": "assistant", "parts": [call]})
    chunks = list(retold(message))
    assert [profile.admit(chunk) for chunk in chunks] == chunks
    assert fold(message).to_wire()["parts"] == [{**CALL, "state": "input-available"}]
