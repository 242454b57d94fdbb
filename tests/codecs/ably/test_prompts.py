from __future__ import annotations

import pytest

from chat_transport.codecs.ably.ai_transport.input_events import ApprovalAnswered
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.codecs.ably.prompts import (
    PromptEncoder,
    PromptNames,
    finish_reason,
    header,
    read_arguments,
    read_decision,
    read_prompt,
    read_stop,
)
from chat_transport.errors import NotSupported
from chat_transport.messages import FilePart, UIMessage


def only(encoded):
    (message,) = encoded.operation.messages
    return message


def inbound(data, extras=None):
    return Inbound(
        action="create", serial="7", version="7", name="user-input", data=data, extras=extras
    )


def test_a_prompt_is_text_with_an_id(new_id):
    encoded = PromptEncoder(new_id=new_id).user_message(UIMessage.user("hi", id="u"))
    message = only(encoded)
    assert (message.name, message.data) == ("user-input", {"promptId": "u", "text": "hi"})
    trigger = read_prompt(inbound(message.data, {"userClaim": "user"}), PromptNames())
    assert (trigger.input_id, trigger.event.part.text, trigger.user_claim) == ("u", "hi", "user")
    nameless = PromptEncoder(new_id=new_id).user_message(UIMessage.user("hi", id=""))
    assert only(nameless).data["promptId"] == nameless.input_id == "id-1"


@pytest.mark.parametrize("metadata", [{"theme": "dark", "n": [1, None]}, 7, "x", False])
def test_metadata_of_a_prompt_goes_in_a_header_and_comes_back(new_id, metadata):
    asked = UIMessage.user("hi", id="u").model_copy(update={"metadata": metadata})
    message = only(PromptEncoder(new_id=new_id).user_message(asked))
    assert message.data == {"promptId": "u", "text": "hi"}, "agents after the guides see no change"
    assert isinstance(message.extras["headers"]["messageMetadata"], str)
    trigger = read_prompt(inbound(message.data, message.extras), PromptNames())
    assert trigger.event.metadata == metadata
    broken = {"headers": {"messageMetadata": "{"}}
    assert read_prompt(inbound(message.data, broken), PromptNames()).event.metadata is None


def test_what_is_no_text_is_refused(new_id):
    message = UIMessage.user("", id="u", files=[FilePart(media_type="a/b", url="https://x")])
    with pytest.raises(NotSupported, match="text prompts only"):
        PromptEncoder(new_id=new_id).user_message(message)


def test_a_malformed_prompt_is_none_and_one_without_id_is_named_by_its_serial():
    assert read_prompt(inbound("text"), PromptNames()) is None
    assert read_prompt(inbound({"text": 5}), PromptNames()) is None
    assert read_prompt(inbound({"text": "hi"}), PromptNames()).input_id == "7"


def test_decisions_name_the_call(new_id):
    encoder = PromptEncoder(new_id=new_id, names=PromptNames(approval_response="answer"))
    message = only(encoder.approval("c", approved=False))
    assert (message.name, message.data) == ("answer", {"decision": "rejected"})
    assert message.extras == {"headers": {"toolCallId": "c"}}
    assert only(encoder.approval("c", approved=True)).data == {"decision": "approved"}


def test_a_reason_goes_with_a_decision(new_id):
    message = only(PromptEncoder(new_id=new_id).approval("c", approved=False, reason="not now"))
    assert message.data == {"decision": "rejected", "reason": "not now"}
    decision = read_decision(inbound(message.data), "c")
    assert (decision.approved, decision.reason) == (False, "not now")
    assert read_decision(inbound({"decision": "approved", "reason": 5}), "c").reason is None


def test_why_a_reply_was_complete_is_read_where_it_is_said():
    assert finish_reason(inbound("", {"headers": {"finishReason": "length"}})) == "length"
    assert finish_reason(inbound("", {"headers": {"finishReason": "because"}})) == "stop"
    assert finish_reason(inbound("")) == "stop"


@pytest.mark.parametrize("data", [{"decision": "rejected"}, {"decision": 1}, "approved", None])
def test_anything_but_approved_is_a_refusal(data):
    assert read_decision(inbound(data), "c") == ApprovalAnswered(tool_call_id="c", approved=False)


def test_a_stop_names_a_prompt_or_all(new_id):
    encoder = PromptEncoder(new_id=new_id)
    assert only(encoder.cancel("p")).extras == {"headers": {"promptId": "p"}}
    assert only(encoder.cancel(None)).extras == {"headers": {}}


def test_headers_that_are_no_text_are_absent():
    assert header(inbound("", {"headers": {"a": "b"}}), "a") == "b"
    assert header(inbound("", {"headers": {"a": 1}}), "a") is None
    assert header(inbound("", {"headers": "a"}), "a") is None
    assert header(inbound(""), "a") is None


def test_arguments_are_json_text_or_stay_what_they_are():
    assert read_arguments('{"a": 1}') == {"a": 1}
    assert read_arguments("{no json") == "{no json"
    assert read_arguments({"a": 1}) == {"a": 1}


def test_a_stop_names_its_prompt_and_who_wants_it():
    stop = read_stop(inbound(None, {"userClaim": "user"}), "p1")
    assert (stop.serial, stop.input_id, stop.user_claim) == ("7", "p1", "user")
