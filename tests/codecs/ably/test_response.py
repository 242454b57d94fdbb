from __future__ import annotations

import random

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.operations import Append, Inbound, Publish
from chat_transport.codecs.ably.prompts import PromptEncoder
from chat_transport.codecs.ably.response import UNANSWERABLE, ResponseEncoder, ResponseNames
from chat_transport.codecs.ably.response_reading import ResponseConversation
from chat_transport.codecs.ably.text_turns import dropped_by_text
from chat_transport.messages import UIMessage

REPLY = [
    c.Start(),
    c.StartStep(),
    c.TextStart(id="t"),
    c.TextDelta(id="t", delta="Hel"),
    c.TextDelta(id="t", delta="lo"),
    c.TextEnd(id="t"),
]
CALL = [
    c.ToolInputStart(tool_call_id="c", tool_name="rm"),
    c.ToolInputAvailable(tool_call_id="c", tool_name="rm", input={"p": 1}),
    c.ToolApprovalRequest(tool_call_id="c", approval_id="a"),
]


def said(encoder, chunks):
    return [operation for chunk in chunks for operation in encoder.encode(chunk)]


@pytest.fixture
def conversation():
    return ResponseConversation()


@pytest.fixture
def asked(channel, conversation, new_id):
    encoded = PromptEncoder(new_id=new_id).user_message(UIMessage.user("hi", id="u"))
    for inbound in channel.take([encoded.operation], by="alice"):
        conversation.feed(inbound)
    return encoded.input_id


def feed(conversation, channel, operations):
    changes = [conversation.feed(inbound) for inbound in channel.take(operations)]
    return [chunk for change in changes if change is not None for chunk in change.chunks]


def test_a_reply_is_one_message_that_grows():
    encoder = ResponseEncoder("p")
    (created,) = encoder.start()
    assert isinstance(created, Publish)
    (message,) = created.messages
    assert (message.name, message.data) == ("agent-response", "")
    assert message.extras == {"headers": {"promptId": "p"}}
    grown = said(encoder, REPLY)
    assert [operation.data for operation in grown] == ["Hel", "lo"]
    last, complete = encoder.end("complete")
    assert isinstance(last, Append)
    assert last.extras["headers"]["status"] == "complete"
    assert complete.messages[0].name == "agent-response-complete"


def test_plain_replies_have_neither_prompt_nor_completion():
    names = ResponseNames(response="response", complete=None)
    encoder = ResponseEncoder(None, names=names)
    (created,) = encoder.start()
    assert created.messages[0].name == "response"
    # No message says its end, so readers must be told that a mark will.
    assert created.messages[0].extras == {"headers": {"status": "active"}}
    (last,) = encoder.end("complete")
    assert last.extras == {"headers": {"status": "complete"}}
    assert ResponseEncoder(None).start()[0].messages[0].extras is None


def test_a_reply_is_read_to_its_end(conversation, asked, channel):
    encoder = ResponseEncoder(asked)
    chunks = feed(conversation, channel, [*encoder.start(), *said(encoder, REPLY)])
    (run,) = conversation.active_runs()
    assert run.input_ids == (asked,)
    chunks += feed(conversation, channel, encoder.end("complete"))
    assert [chunk.type for chunk in chunks] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert conversation.run(run.run_id).reason == "complete"
    assert [message.text for message in conversation.messages()] == ["hi", "Hello"]


def test_a_second_part_follows_after_a_blank_line():
    encoder = ResponseEncoder("p")
    operations = said(encoder, [*REPLY, c.TextStart(id="u"), c.TextDelta(id="u", delta="More")])
    assert operations[-1].data == "\n\nMore"
    assert encoder.repair("response").data == "Hello\n\nMore"
    assert encoder.repair("other") is None


@pytest.mark.parametrize(("reason", "kind"), [("cancelled", "abort"), ("error", "error")])
def test_how_a_reply_ended_is_known(conversation, asked, channel, reason, kind):
    encoder = ResponseEncoder(asked)
    feed(conversation, channel, [*encoder.start(), *said(encoder, REPLY)])
    chunks = feed(conversation, channel, encoder.end(reason, message="broke"))
    assert chunks[-1].type == kind
    assert conversation.runs()[0].reason == reason


def test_an_agent_that_marks_no_append_ends_by_its_completion(conversation, channel):
    headers = {"headers": {"promptId": "p"}}
    create = Inbound(
        action="create", serial="1", version="1", name="agent-response", data="", extras=headers
    )
    grown = Inbound(action="append", serial="1", version="1:1", data="Hi")
    done = Inbound(
        action="create", serial="2", version="2", name="agent-response-complete", extras=headers
    )
    for inbound in (create, grown):
        conversation.feed(inbound)
    assert conversation.feed(done).chunks[-1] == c.Finish(finish_reason="stop")
    assert conversation.active_runs() == []
    backwards = ResponseConversation()
    backwards.feed(done, live=False)
    backwards.feed(Inbound(action="update", serial="1", version="1:1", name="agent-response", data="Hi", extras=headers), live=False)  # fmt: skip
    assert backwards.active_runs() == []
    assert backwards.messages() == conversation.messages()


def test_an_approval_is_asked_for_and_answered(conversation, asked, channel, new_id):
    encoder = ResponseEncoder(asked)
    chunks = feed(conversation, channel, [*encoder.start(), *said(encoder, CALL)])
    assert [chunk.type for chunk in chunks[-3:]] == [chunk.type for chunk in CALL]
    assert (chunks[-2].tool_name, chunks[-2].input) == ("rm", {"p": 1})
    answer = PromptEncoder(new_id=new_id).approval("c", approved=True)
    feed(conversation, channel, [answer.operation])
    part = conversation.messages()[-1].parts[-1]
    assert (part.state, part.approval.approved) == ("approval-responded", True)


def test_arguments_that_are_no_json_stay_text(conversation, asked, channel):
    encoder = ResponseEncoder(asked)
    bad = c.ToolInputAvailable(tool_call_id="c", tool_name="rm", input="{oops")
    chunks = feed(conversation, channel, [*encoder.start(), *said(encoder, [bad, CALL[-1]])])
    assert chunks[-2].input == "{oops"
    assert encoder.acknowledged("k", "s") == []


def test_a_reply_that_waits_goes_on_in_a_further_message(conversation, asked, channel, new_id):
    encoder = ResponseEncoder(asked)
    feed(conversation, channel, [*encoder.start(), *said(encoder, CALL)])
    chunks = feed(conversation, channel, encoder.suspend())
    assert chunks[-1] == c.Finish(finish_reason="tool-calls")
    (run,) = conversation.runs()
    assert run.state == "suspended"
    answer = PromptEncoder(new_id=new_id).approval("c", approved=True)
    (change,) = [conversation.feed(i) for i in channel.take([answer.operation], by="alice")]
    assert (change.input.run_id, change.input.client_id) == (run.run_id, "alice")
    again = ResponseEncoder(asked)
    feed(conversation, channel, [*again.start(), *said(again, REPLY)])
    assert conversation.run(run.run_id).state == "active"
    feed(conversation, channel, again.end("complete"))
    assert conversation.run(run.run_id).reason == "complete"
    assert [m.text for m in conversation.until(run.run_id)] == ["hi", "Hello"]


def test_an_error_is_said_in_words_only_where_nothing_else_was(conversation, asked, channel):
    encoder = ResponseEncoder(asked)
    assert said(encoder, [c.Error(error_text="oops")]) == []
    last, complete = encoder.end("error", message="oops")
    assert (last.data, last.extras["headers"]["status"]) == ("oops", "error")
    assert complete.messages[0].extras == last.extras
    chunks = feed(conversation, channel, [*ResponseEncoder(asked).start(), last, complete])
    # Our readers know the mark, and show no words that the agent did not say.
    assert chunks == [c.Start(message_id=f"reply-{asked}"), c.Error(error_text="oops")]
    late = ResponseConversation()
    for inbound in channel.history():
        late.feed(inbound, live=False)
    assert late.messages() == conversation.messages()
    assert late.messages()[-1].text == ""
    spoken = ResponseEncoder("p")
    assert len(said(spoken, [*REPLY, c.Error(error_text="oops")])) == 2
    assert spoken.end("error", message="oops")[0].data == ""


def test_a_wait_for_what_cannot_be_answered_is_an_error(conversation, asked, channel):
    encoder = ResponseEncoder(asked)
    operations = [*encoder.start(), *said(encoder, CALL[:2]), *encoder.suspend()]
    assert feed(conversation, channel, operations)[-1] == c.Error(error_text=UNANSWERABLE)


def test_why_a_reply_was_complete_is_told(conversation, asked, channel):
    encoder = ResponseEncoder(asked)
    operations = [*encoder.start(), *said(encoder, [*REPLY, c.Finish(finish_reason="length")])]
    chunks = feed(conversation, channel, [*operations, *encoder.end("complete")])
    assert chunks[-1] == c.Finish(finish_reason="length")


def test_words_that_come_after_the_end_replace_what_was_read(conversation, asked, channel):
    first = ResponseEncoder(asked)
    start = [*first.start(), *said(first, REPLY)]
    feed(conversation, channel, [*start, *first.end("complete")])
    late = Append(key="response", data=", world")
    (change,) = [conversation.feed(inbound) for inbound in channel.take([late])]
    assert (change.replaced, change.input_id, change.chunks) == (True, asked, ())
    assert conversation.messages()[-1].text == "Hello, world"
    assert [conversation.feed(i) for i in channel.take([Append(key="response", data="")])] == [None]


def test_an_id_that_was_used_before_is_not_heard(conversation, asked, channel, new_id):
    again = PromptEncoder(new_id=new_id).user_message(UIMessage.user("forged", id=asked))
    feed(conversation, channel, [again.operation])
    assert [message.text for message in conversation.messages()] == ["hi"]
    backwards = ResponseConversation()
    for inbound in reversed(channel.delivered):
        backwards.feed(inbound, live=False)
    assert backwards.messages() == conversation.messages()


def test_a_stop_is_seen(conversation, asked, channel, new_id):
    serial = conversation.trigger(asked).serial
    feed(conversation, channel, [PromptEncoder(new_id=new_id).cancel(asked).operation])
    assert conversation.cancel_for(asked, after=serial).input_id == asked
    assert conversation.cancel_for("other") is None


def test_a_prompt_for_the_model_leaves_out_the_own_reply(conversation, asked, channel, new_id):
    encoder = ResponseEncoder(asked)
    feed(conversation, channel, [*encoder.start(), *said(encoder, REPLY), *encoder.end("complete")])
    trigger = conversation.trigger(asked)
    assert [m.text for m in conversation.prompt(trigger)] == ["hi"]
    again = PromptEncoder(new_id=new_id).user_message(UIMessage.user("more", id="v"))
    feed(conversation, channel, [again.operation])
    prompt = conversation.prompt(conversation.trigger(again.input_id))
    assert [m.text for m in prompt] == ["hi", "Hello", "more"]
    assert conversation.run_for_input(asked).state == "ended"
    assert conversation.run_for_input("other") is None


@pytest.mark.parametrize("seed", range(20))
def test_any_delivery_and_any_join_give_the_same_messages(asked, channel, tools, seed):
    encoder = ResponseEncoder(asked)
    channel.take([*encoder.start(), *said(encoder, [*REPLY, *CALL]), *encoder.end("complete")])
    whole, joined = ResponseConversation(), ResponseConversation()
    for inbound in channel.delivered:
        whole.feed(inbound)
    chance = random.Random(seed)
    cut = chance.randrange(len(channel.delivered) + 1)
    for inbound in tools.aggregate(channel.delivered[:cut]):
        joined.feed(inbound, live=False)
    for inbound in tools.disturb(channel.delivered, chance, cut):
        joined.feed(inbound)
    assert joined.messages() == whole.messages()
    assert [whole.feed(inbound) for inbound in channel.delivered] == [None] * len(channel.delivered)


def test_a_replaced_text_is_told_and_foreign_messages_are_not_ours(conversation, asked, channel):
    encoder = ResponseEncoder(asked)
    feed(conversation, channel, [*encoder.start(), *said(encoder, REPLY)])
    update = Inbound(action="update", serial="00000002", version="00000002:z", data="Other")
    assert conversation.feed(update).replaced
    assert conversation.messages()[-1].text == "Other"
    assert conversation.reply(conversation.runs()[0].run_id)[-1].delta == "Other"
    assert conversation.message(asked).text == "hi"
    assert conversation.message("nobody") is None
    foreign = Inbound(action="create", serial="9", version="9", name="chat", data="x")
    assert conversation.feed(foreign) is None


def test_what_is_dropped_is_declared():
    assert "reasoning-delta" in dropped_by_text()
    assert "text-delta" not in dropped_by_text()
    assert said(ResponseEncoder("p"), [c.ReasoningStart(id="r")]) == []
