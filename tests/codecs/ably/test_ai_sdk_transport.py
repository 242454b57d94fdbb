from __future__ import annotations

import json

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_sdk_transport import (
    DROPS,
    AiSdkEncoder,
    AiSdkInputEncoder,
    KnownCall,
)
from chat_transport.codecs.ably.operations import Append, Publish, Update
from chat_transport.messages import UIMessage


@pytest.fixture
def encoder(new_id):
    return AiSdkEncoder("p", new_id=new_id)


def said(encoder, *chunks):
    return [operation for chunk in chunks for operation in encoder.encode(chunk)]


def events(operations):
    return [
        operation.metadata["event"] for operation in operations if isinstance(operation, Append)
    ]


def test_text_is_a_message_whose_appends_say_what_happened(encoder):
    operations = said(
        encoder, c.TextStart(id="t"), c.TextDelta(id="t", delta="hi"), c.TextEnd(id="t")
    )
    (message,) = operations[0].messages
    assert (message.name, message.data) == ("text:id-1", "")
    assert message.extras == {"headers": {"role": "assistant", "promptId": "p", "id": "t"}}
    assert [operation.data for operation in operations[1:]] == ["hi", ""]
    assert events(operations) == ["text-delta", "text-end"]


def test_reasoning_goes_the_same_way(encoder):
    operations = said(
        encoder,
        c.ReasoningStart(id="r"),
        c.ReasoningDelta(id="r", delta="hm"),
        c.ReasoningEnd(id="r"),
    )
    assert operations[0].messages[0].name == "reasoning:id-1"
    assert events(operations) == ["reasoning-delta", "reasoning-end"]


def test_the_fate_of_a_tool_updates_its_message(encoder):
    operations = said(
        encoder,
        c.ToolInputStart(tool_call_id="c", tool_name="a:b"),
        c.ToolInputDelta(tool_call_id="c", input_text_delta="{}"),
        c.ToolInputAvailable(tool_call_id="c", tool_name="a:b", input={}),
        c.ToolOutputAvailable(tool_call_id="c", output=[1], preliminary=True),
    )
    created, *_, update = operations
    assert created.messages[0].name == "tool:c:a:b"
    assert events(operations) == ["tool-input-delta", "tool-input-end"]
    assert isinstance(update, Update)
    assert (update.key, update.name) == (created.key, "tool-output:c")
    assert json.loads(update.data) == {
        "output": [1],
        "preliminary": True,
        "toolName": "a:b",
        "input": {},
    }


def test_an_input_at_once_is_marked_in_its_header(encoder):
    (publish,) = said(
        encoder, c.ToolInputAvailable(tool_call_id="c", tool_name="t", input={"a": 1})
    )
    (message,) = publish.messages
    assert (message.name, json.loads(message.data)) == ("tool:c:t", {"a": 1})
    assert message.extras["headers"]["event"] == "tool-input-available"


def test_an_input_that_was_not_streamed_is_streamed_at_its_end(encoder):
    operations = said(
        encoder,
        c.ToolInputStart(tool_call_id="c", tool_name="t"),
        c.ToolInputAvailable(tool_call_id="c", tool_name="t", input={}),
    )
    assert [o.data for o in operations[1:]] == ["{}", ""]


def test_the_fate_of_a_tool_of_an_earlier_reply_updates_its_message_there(new_id):
    call = KnownCall(serial="7", tool_name="rm", input={"p": 1}, headers={"title": "Remove"})
    encoder = AiSdkEncoder("p2", new_id=new_id, calls={"c": call})
    assert encoder.continued() == [("known:c", "7", "")]
    (update,) = said(encoder, c.ToolOutputAvailable(tool_call_id="c", output="gone"))
    assert (update.key, update.name) == ("known:c", "tool-output:c")
    assert json.loads(update.data) == {"output": "gone", "toolName": "rm", "input": {"p": 1}}
    headers = {"role": "assistant", "promptId": "p2", "title": "Remove"}
    assert update.extras == {"headers": headers}


def test_the_fate_of_a_tool_that_nobody_called_is_a_message_of_its_own(encoder):
    (publish,) = said(encoder, c.ToolOutputDenied(tool_call_id="c"))
    assert isinstance(publish, Publish)
    assert publish.messages[0].name == "tool-denied:c"


def test_an_approval_is_asked_for_beside_the_call(encoder):
    called, asked = said(
        encoder,
        c.ToolInputAvailable(tool_call_id="c", tool_name="rm", input={}),
        c.ToolApprovalRequest(tool_call_id="c", approval_id="ap", signature="s"),
    )
    assert isinstance(asked, Publish)
    assert asked.messages[0].name == "tool-approval:c"
    assert json.loads(asked.messages[0].data) == {"approvalId": "ap", "signature": "s"}
    assert called.messages[0].name == "tool:c:rm"


def test_an_input_that_does_not_fit_is_told_as_such(encoder):
    wrong = c.ToolInputError(tool_call_id="c", tool_name="rm", input="{", error_text="no JSON")
    created, update = said(encoder, wrong)
    assert created.messages[0].name == "tool:c:rm"
    assert (update.name, update.extras["headers"]["event"]) == ("tool-error:c", "tool-input-error")
    assert json.loads(update.data)["errorText"] == "no JSON"


def test_what_a_part_is_besides_its_text_is_in_the_headers(encoder):
    _start, end = said(
        encoder,
        c.ReasoningStart(id="r"),
        c.ReasoningEnd(id="r", provider_metadata={"x": {"y": 1}}),
    )
    assert json.loads(end.extras["headers"]["providerMetadata"]) == {"x": {"y": 1}}
    (call,) = said(
        encoder,
        c.ToolInputStart(tool_call_id="c", tool_name="t", dynamic=True, title="T"),
    )
    headers = call.messages[0].extras["headers"]
    assert (headers["dynamic"], headers["title"]) == ("true", "T")
    (data,) = said(encoder, c.DataChunk(type="data-x", data=1, transient=True))
    assert data.messages[0].extras["ephemeral"] is True
    assert json.loads(data.messages[0].data) == {"data": 1}


def test_a_refusal_says_that_the_prompt_does_not_hold(encoder):
    (message,) = encoder.refuse(c.Error(error_text="no")).messages
    assert message.extras["headers"]["refused"] == "true"


def test_whole_chunks_are_json_text(encoder):
    start, data, step = said(encoder, c.Start(), c.DataChunk(type="data-x", data=5), c.FinishStep())
    assert (start.messages[0].name, start.messages[0].data) == ("start", None)
    assert json.loads(data.messages[0].data) == {"data": 5}
    assert step.messages[0].name == "step-finish"


def test_what_has_no_message_is_dropped_and_declared(encoder):
    assert said(encoder, c.StartStep(), c.ResetStep(), c.Custom(kind="a.b")) == []
    assert "custom" in DROPS
    assert said(encoder, c.TextDelta(id="never opened", delta="x"), c.TextEnd(id="x")) == []


@pytest.mark.parametrize(
    ("reason", "name"), [("complete", "finish"), ("cancelled", "abort"), ("error", "error")]
)
def test_every_end_closes_what_is_open_and_says_one_terminal_message(encoder, reason, name):
    said(encoder, c.TextStart(id="t"))
    closed, terminal = encoder.end(reason, message="broke")
    assert closed.metadata == {"event": "text-end"}
    assert terminal.messages[0].name == name


def test_a_terminal_chunk_is_not_said_twice(encoder):
    said(encoder, c.Finish(finish_reason="length"))
    assert encoder.end("complete") == []
    assert encoder.start() == encoder.suspend() == encoder.acknowledged("k", "s") == []


def test_a_repair_holds_the_whole_text_and_what_happened_last(encoder):
    created, grown = said(encoder, c.TextStart(id="t"), c.TextDelta(id="t", delta="hi"))
    assert grown.key == created.key
    repair = encoder.repair(created.key)
    assert (repair.data, repair.metadata) == ("hi", {"event": "text-delta"})
    said(encoder, c.TextEnd(id="t"))
    assert encoder.repair(created.key).metadata == {"event": "text-end"}
    assert encoder.repair("other") is None


def test_a_client_speaks_json_text(new_id):
    client = AiSdkInputEncoder(new_id=new_id)
    message = UIMessage.user("hé", id="u")
    sent = client.user_message(message).operation.messages[0]
    assert sent.name == "chat-message"
    assert json.loads(sent.data) == {"message": message.to_wire()}
    assert sent.extras == {"headers": {"role": "user", "promptId": "id-1"}}
    again = client.regenerate("a").operation.messages[0]
    assert (again.name, json.loads(again.data)) == ("regenerate", {"messageId": "a"})
    assert json.loads(client.regenerate().operation.messages[0].data) == {}
    stop = client.cancel().operation.messages[0]
    assert (stop.name, stop.data, stop.extras) == (
        "user-abort",
        None,
        {"headers": {"role": "user"}},
    )


def test_a_failure_can_be_said_without_the_name_that_breaks_frames(new_id):
    encoder = AiSdkEncoder("p", new_id=new_id, says_error=False)
    (publish,) = encoder.end("error", message="broke")
    (message,) = publish.messages
    assert message.name == "abort"
    assert json.loads(message.data) == {"reason": "broke", "errorText": "broke"}
