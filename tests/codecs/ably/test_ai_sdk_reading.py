from __future__ import annotations

import random

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_sdk_reading import AiSdkConversation
from chat_transport.codecs.ably.ai_sdk_transport import AiSdkEncoder, AiSdkInputEncoder
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.messages import UIMessage

TEXT = [c.TextStart(id="t"), c.TextDelta(id="t", delta="Hel"), c.TextDelta(id="t", delta="lo")]
REPLY = [
    c.Start(message_id="a1", message_metadata={"m": 1}),
    c.StartStep(),
    c.ReasoningStart(id="r"),
    c.ReasoningDelta(id="r", delta="hm"),
    c.ReasoningEnd(id="r"),
    c.ToolInputStart(tool_call_id="c", tool_name="weather"),
    c.ToolInputDelta(tool_call_id="c", input_text_delta='{"city":"Oslo"}'),
    c.ToolInputAvailable(tool_call_id="c", tool_name="weather", input={"city": "Oslo"}),
    c.ToolOutputAvailable(tool_call_id="c", output=4),
    c.FinishStep(),
    c.StartStep(),
    *TEXT,
    c.TextEnd(id="t"),
    c.SourceUrl(source_id="s", url="https://x"),
    c.DataChunk(type="data-x", data={"a": 1}),
    c.FinishStep(),
    c.Finish(finish_reason="stop"),
]


@pytest.fixture
def client(new_id):
    return AiSdkInputEncoder(new_id=new_id)


def said(encoder, chunks):
    return [operation for chunk in chunks for operation in encoder.encode(chunk)]


def turn(channel, client, new_id, chunks=REPLY, text="hi"):
    asked = client.user_message(UIMessage.user(text, id=f"u-{text}"))
    channel.take([asked.operation], by="alice")
    channel.take(said(AiSdkEncoder(asked.input_id, new_id=new_id), chunks))
    return asked


def fold(deliveries, *, live=True):
    conversation = AiSdkConversation()
    changes = [conversation.feed(inbound, live=live) for inbound in deliveries]
    return conversation, [change for change in changes if change is not None]


def test_a_turn_is_read_whole(channel, client, new_id):
    asked = turn(channel, client, new_id)
    conversation, changes = fold(channel.delivered)
    user, reply = conversation.messages()
    assert user == UIMessage.user("hi", id="u-hi")
    assert (reply.id, reply.metadata, reply.text) == ("a1", {"m": 1}, "Hello")
    assert [part.type for part in reply.parts] == [
        "step-start",
        "reasoning",
        "tool-weather",
        "step-start",
        "text",
        "source-url",
        "data-x",
    ]
    assert (reply.parts[2].input, reply.parts[2].output) == ({"city": "Oslo"}, 4)
    chunks = [chunk for change in changes for chunk in change.chunks]
    assert [chunk.type for chunk in chunks] == [chunk.type for chunk in REPLY]
    assert {change.input_id for change in changes} == {asked.input_id}
    assert conversation.runs()[0].reason == "complete"


def test_history_gives_back_what_updates_replaced(channel, client, new_id):
    turn(channel, client, new_id)
    live, _ = fold(channel.delivered)
    late, changes = fold(channel.history(), live=False)
    assert late.messages() == live.messages()
    assert all(change.chunks == () for change in changes)


def test_a_tool_of_which_only_the_fate_is_left_is_shown_as_far_as_it_is_known():
    fate = Inbound(
        action="update", serial="1", version="2", name="tool-error:c", data='{"errorText":"no"}'
    )
    conversation, _ = fold([fate])
    part = conversation.messages()[0].parts[-1]
    assert (part.type, part.state, part.error_text) == ("tool-tool", "output-error", "no")


@pytest.mark.parametrize("seed", range(20))
def test_any_delivery_and_any_join_give_the_same_messages(channel, client, new_id, tools, seed):
    turn(channel, client, new_id)
    turn(channel, client, new_id, text="again")
    chance = random.Random(seed)
    cut = chance.randrange(len(channel.delivered) + 1)
    whole, _ = fold(channel.delivered)
    joined = AiSdkConversation()
    for inbound in tools.aggregate(channel.delivered[:cut]):
        joined.feed(inbound, live=False)
    for inbound in tools.disturb(channel.delivered, chance, cut):
        joined.feed(inbound)
    assert joined.messages() == whole.messages()
    assert [whole.feed(inbound) for inbound in channel.delivered] == [None] * len(channel.delivered)


def test_approval_and_denial_are_read(channel, client, new_id):
    call = [
        c.ToolInputStart(tool_call_id="c", tool_name="rm"),
        c.ToolInputAvailable(tool_call_id="c", tool_name="rm", input={}),
        c.ToolApprovalRequest(tool_call_id="c", approval_id="ap"),
    ]
    turn(channel, client, new_id, call)
    conversation, _ = fold(channel.delivered)
    part = conversation.messages()[-1].parts[-1]
    assert (part.state, part.approval.id) == ("approval-requested", "ap")
    turn(channel, client, new_id, [*call, c.ToolOutputDenied(tool_call_id="c")], text="2")
    conversation, _ = fold(channel.delivered)
    assert conversation.messages()[-1].parts[-1].state == "output-denied"


def test_a_regeneration_cuts_the_history(channel, client, new_id):
    turn(channel, client, new_id)
    channel.take([client.regenerate("a1").operation])
    conversation, changes = fold(channel.delivered)
    assert [m.id for m in conversation.messages()] == ["u-hi"]
    assert changes[-1].input.event.target == "a1"
    turn(channel, client, new_id, [c.Start(message_id="a2"), *TEXT], text="more")
    channel.take([client.regenerate().operation])
    conversation, _ = fold(channel.delivered)
    assert [m.id for m in conversation.messages()] == ["u-hi", "u-more"]


def test_a_message_that_comes_back_changed_does_not_change_what_was_said(channel, client, new_id):
    turn(channel, client, new_id, [c.Start(message_id="a1"), *TEXT, c.Finish()])
    changed = UIMessage.model_validate(
        {"id": "a1", "role": "assistant", "parts": [{"type": "text", "text": "changed"}]}
    )
    asked = client.user_message(changed)
    channel.take([asked.operation])
    more = [c.Start(message_id="a1"), *TEXT]
    channel.take(said(AiSdkEncoder(asked.input_id, new_id=new_id), more))
    conversation, _ = fold(channel.delivered)
    user, reply = conversation.messages()
    assert (user.id, reply.id, reply.text) == ("u-hi", "a1", "HelloHello")


@pytest.mark.parametrize(("reason", "kept"), [("cancelled", "cancelled"), ("error", "error")])
def test_how_a_reply_ended_is_known(channel, client, new_id, reason, kept):
    asked = client.user_message(UIMessage.user("hi", id="u"))
    encoder = AiSdkEncoder(asked.input_id, new_id=new_id)
    channel.take([asked.operation, *said(encoder, TEXT), *encoder.end(reason, message="broke")])
    conversation, changes = fold(channel.delivered)
    (run,) = conversation.runs()
    assert (run.reason, changes[-1].event) == (kept, "run-end")
    assert run.error_message == ("broke" if reason == "error" else None)


def test_a_stop_is_seen(channel, client, new_id):
    asked = turn(channel, client, new_id)
    channel.take([client.cancel().operation])
    conversation, changes = fold(channel.delivered)
    assert changes[-1].event == "cancel"
    assert conversation.cancel_for(asked.input_id) is not None  # it names nobody: all are meant


def test_malformed_and_foreign_messages_are_not_ours():
    conversation = AiSdkConversation()
    for place, (name, data) in enumerate(
        [("chat", "x"), ("chat-message", "{"), ("chat-message", '{"message":{}}'), ("file", "{}"), (None, "x")]
    ):  # fmt: skip
        inbound = Inbound(
            action="create", serial=f"{place}", version=f"{place}", name=name, data=data
        )
        assert conversation.feed(inbound) is None
    assert conversation.messages() == []


def test_output_without_a_prompt_belongs_to_the_reply_under_way():
    names = [("start", '{"messageId":"a"}'), ("text:1", "Hi"), ("finish", "{}")]
    conversation, _ = fold(
        Inbound(action="create", serial=f"{n}", version=f"{n}", name=name, data=data)
        for n, (name, data) in enumerate(names)
    )
    assert [m.text for m in conversation.messages()] == ["Hi"]
    assert conversation.runs()[0].state == "ended"


def test_a_replaced_text_is_told(channel, client, new_id):
    turn(channel, client, new_id, TEXT)
    conversation, _ = fold(channel.delivered)
    update = Inbound(action="update", serial="00000002", version="00000002:z", data="Other")
    assert conversation.feed(update).replaced
    assert conversation.messages()[-1].text == "Other"
    stale = Inbound(action="update", serial="00000002", version="00000002:a", data="Old")
    assert conversation.feed(stale) is None


def test_an_abort_that_names_an_error_is_a_failure():
    data = '{"reason":"broke","errorText":"broke"}'
    abort = Inbound(action="create", serial="1", version="1", name="abort", data=data)
    conversation, changes = fold([abort])
    assert changes[0].chunks == [c.Error(error_text="broke")]
    assert conversation.runs()[0].reason == "error"
