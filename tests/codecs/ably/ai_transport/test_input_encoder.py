from __future__ import annotations

import pytest

from chat_transport.codecs.ably.ai_transport import InputEncoder
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import DataPart, FilePart, StepStartPart, TextPart, ToolPart, UIMessage


@pytest.fixture
def encoder(new_id):
    return InputEncoder(new_id=new_id, client_id="alice")


def tiers(encoded, place=0):
    ai = encoded.operation.messages[place].extras["ai"]
    return ai["transport"], ai["codec"]


def test_a_user_message_is_one_frame_with_a_message_for_each_part(encoder):
    message = UIMessage(
        id="u1",
        role="user",
        parts=[
            TextPart(text="see"),
            StepStartPart(),
            FilePart(media_type="a/b", url="https://x", filename="f"),
            DataPart(type="data-x", id="1", data=[1]),
        ],
    )
    encoded = encoder.user_message(message, parent="m-0")
    assert [m.data for m in encoded.operation.messages] == ["see", "https://x", [1]]
    transport, codec = tiers(encoded)
    assert transport == {
        "role": "user",
        "codec-message-id": encoded.input_id,
        "parent": "m-0",
        "discrete": "true",
        "event-id": encoded.event_id,
        "stream": "false",
        "run-client-id": "alice",
    }
    assert codec == {"kind": "user-message", "messageId": "u1", "partType": "text"}
    assert tiers(encoded, 1)[1]["filename"] == "f"
    assert tiers(encoded, 2)[1]["id"] == "1"


def test_metadata_rides_on_the_first_part_and_is_read_again(talk):
    message = UIMessage(
        id="u1",
        role="user",
        metadata={"from": "a phone"},
        parts=[
            TextPart(text="see"),
            FilePart(media_type="a/b", url="https://x"),
            DataPart(type="data-x", data=[1]),
        ],
    )
    encoded = talk.send(talk.client.user_message(message))
    assert tiers(encoded)[1]["messageMetadata"] == '{"from":"a phone"}'
    assert "messageMetadata" not in tiers(encoded, 1)[1]
    assert talk.conversation.messages() == [message]


def test_provider_fields_of_a_prompt_are_not_carried(talk):
    """They can name things at the provider that belong to others: docs/concepts/trust.md."""
    part = TextPart(text="see", provider_metadata={"p": {"file": "of somebody else"}})
    encoded = talk.client.user_message(UIMessage(id="u1", role="user", parts=[part]))
    tiers(encoded)[1]["providerMetadata"] = '{"p": {"file": "of somebody else"}}'
    talk.send(encoded)
    assert talk.conversation.messages() == [UIMessage.user("see", id="u1")]


def test_a_header_that_is_no_json_is_passed_over(talk):
    encoded = talk.client.user_message(UIMessage.user("hi", id="u", files=()))
    tiers(encoded)[1]["messageMetadata"] = "{"
    talk.send(encoded)
    assert talk.conversation.messages() == [UIMessage.user("hi", id="u")]


def test_a_message_without_parts_is_one_empty_text(encoder):
    encoded = encoder.user_message(UIMessage(id="u", role="user", parts=[]))
    assert [message.data for message in encoded.operation.messages] == [""]


@pytest.mark.parametrize("client_id", [None, "*"])
def test_who_has_no_single_identity_claims_none(new_id, client_id):
    encoder = InputEncoder(new_id=new_id, client_id=client_id)
    encoded = encoder.user_message(UIMessage.user("hi", id="u"))
    assert "run-client-id" not in tiers(encoded)[0]


def test_an_edit_names_what_it_replaces_and_a_steer_its_run(encoder):
    edit = encoder.user_message(UIMessage.user("x", id="u"), parent="m-0", fork_of="m-1")
    assert tiers(edit)[0]["fork-of"] == "m-1"
    steer = encoder.user_message(UIMessage.user("x", id="u"), run_id="r")
    assert tiers(steer)[0]["run-id"] == "r"
    assert "parent" not in tiers(steer)[0]


def test_a_bare_value_is_refused_with_the_remedy(encoder):
    message = UIMessage(id="u", role="user", parts=[DataPart(type="data-x", data=5)])
    with pytest.raises(LocalProtocolError, match="wrap the value"):
        encoder.user_message(message)


def test_regenerate_names_target_and_predecessor(encoder):
    transport, codec = tiers(encoder.regenerate("m-2", parent="m-1"))
    assert (transport["msg-regenerate"], transport["parent"]) == ("m-2", "m-1")
    assert codec == {"kind": "regenerate"}


def test_answers_address_the_message_and_the_run(encoder):
    denial = encoder.approval(
        message_id="m-2", run_id="r", tool_call_id="c", approved=False, reason="no"
    )
    transport, codec = tiers(denial)
    assert denial.input_id == transport["codec-message-id"] == "m-2"
    assert codec == {
        "kind": "tool-approval-response",
        "toolCallId": "c",
        "approved": "false",
        "reason": "no",
    }
    result = encoder.tool_result(message_id="m-2", run_id="r", tool_call_id="c", output=None)
    assert result.operation.messages[0].data == {"output": None}
    failed = encoder.tool_result(
        message_id="m-2", run_id="r", tool_call_id="c", error_text="no gps"
    )
    assert failed.operation.messages[0].data == {"message": "no gps"}
    assert tiers(failed)[1]["kind"] == "tool-result-error"


def test_a_fork_copies_the_run_under_fresh_ids(encoder):
    call = ToolPart(type="tool-geo", tool_call_id="c", state="input-available", input={})
    messages = [
        UIMessage(id="a", role="assistant", parts=[TextPart(text="x")]),
        UIMessage(id="b", role="assistant", parts=[call]),
    ]
    copy = encoder.fork(messages=messages, parent="m-1", supersedes="run-1")
    fork = encoder.tool_result_fork(copy, "c", output=1)
    seed = fork.operation.messages[0].data["forkSeed"]["messages"]
    assert [entry["codecMessageId"] for entry in seed] == ["id-1", "id-2"]
    assert fork.input_id == "id-2"
    transport, _ = tiers(fork)
    assert (transport["role"], transport["supersedes"]) == ("assistant", "run-1")
    assert "run-id" not in transport
    approval, codec = tiers(encoder.approval_fork(copy, "c", approved=False, reason="no"))
    assert (approval["codec-message-id"], approval["supersedes"]) == ("id-2", "run-1")
    assert (approval["role"], approval["parent"]) == ("assistant", "m-1")
    assert (codec["approved"], codec["reason"], codec["toolCallId"]) == ("false", "no", "c")
    with pytest.raises(LocalProtocolError, match="none of its messages holds"):
        encoder.tool_result_fork(
            encoder.fork(messages=messages[:1], parent=None, supersedes="run-1"), "c"
        )


def test_a_cancel_names_a_run_an_input_or_both(encoder):
    cancel = encoder.cancel(run_id="r", input_id="m-1")
    (message,) = cancel.operation.messages
    assert message.name == "ai-cancel"
    assert message.extras == {
        "ai": {
            "transport": {
                "event-id": cancel.event_id,
                "run-id": "r",
                "input-codec-message-id": "m-1",
            }
        }
    }
    with pytest.raises(LocalProtocolError, match="neither a run nor an input"):
        encoder.cancel()
