from __future__ import annotations

from chat_transport.codecs.ably.ai_transport.input_events import (
    ApprovalAnswered,
    MessagePart,
    Regenerated,
    ToolResolved,
    decode_input,
)
from chat_transport.codecs.ably.ai_transport.payload import InputWords
from chat_transport.messages import DataPart, FilePart, TextPart, UIMessage

USER = {"role": "user", "codec-message-id": "m-1"}


def test_each_part_of_a_user_message_is_read():
    text = {"kind": "user-message", "messageId": "u1", "partType": "text"}
    assert decode_input(USER, text, "hi") == MessagePart(
        message_id="u1", role="user", part=TextPart(text="hi")
    )
    file = {"kind": "user-message", "partType": "file", "mediaType": "a/b", "filename": "f"}
    assert decode_input(USER, file, "https://x") == MessagePart(
        message_id="m-1",
        role="user",
        part=FilePart(media_type="a/b", url="https://x", filename="f"),
    )
    data = {"kind": "user-message", "partType": "data-x", "id": "1"}
    assert decode_input(USER, data, {"a": 1}).part == DataPart(type="data-x", id="1", data={"a": 1})


def test_what_is_not_understood_gives_nothing():
    assert decode_input(USER, {"kind": "novelty"}, "") is None
    assert decode_input(USER, {"kind": "user-message", "partType": "video"}, "") is None
    assert decode_input(USER, {}, None) is None


def test_answers_are_read():
    approval = {"kind": "tool-approval-response", "toolCallId": "c", "approved": "true"}
    assert decode_input(USER, approval, "") == ApprovalAnswered(tool_call_id="c", approved=True)
    denial = {**approval, "approved": "no", "reason": "risky"}
    assert decode_input(USER, denial, "") == ApprovalAnswered(
        tool_call_id="c", approved=False, reason="risky"
    )
    result = {"kind": "tool-result", "toolCallId": "c"}
    assert decode_input(USER, result, {"output": None}) == ToolResolved(tool_call_id="c")
    failure = {"kind": "tool-result-error", "toolCallId": "c"}
    assert decode_input(USER, failure, {"message": "no"}).error_text == "no"
    assert decode_input(USER, failure, "malformed").error_text == ""
    assert decode_input({"msg-regenerate": "m-2"}, {"kind": "regenerate"}, "") == Regenerated(
        target="m-2"
    )


def test_a_forks_seed_is_read_leniently():
    good = {"id": "a", "role": "assistant", "parts": [{"type": "text", "text": "x"}, {}, None]}
    entries = [
        {"codecMessageId": "m-3", "message": good},
        {"codecMessageId": 7, "message": good},
        {"codecMessageId": "m-4", "message": {"parts": []}},
        "nonsense",
    ]
    event = decode_input(
        USER, {"kind": "tool-result", "toolCallId": "c"}, {"forkSeed": {"messages": entries}}
    )
    (seed,) = event.seed
    assert seed.codec_message_id == "m-3"
    assert seed.message == UIMessage(id="a", role="assistant", parts=[TextPart(text="x")])


def test_another_codec_has_other_words():
    words = InputWords(call="call_id", text="input_text", names_messages=False)
    text = {"kind": "user-message", "partType": "input_text"}
    assert decode_input(USER, text, "hi", words).part == TextPart(text="hi")
    result = {"kind": "tool-result", "call_id": "c"}
    assert decode_input(USER, result, {"output": 1}, words).tool_call_id == "c"
