from __future__ import annotations

import random

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.codecs.ably.prompts import PromptEncoder
from chat_transport.codecs.ably.response import UNANSWERABLE
from chat_transport.codecs.ably.token import TokenConversation, TokenEncoder
from chat_transport.messages import UIMessage


def reply(encoder, *texts, reason="complete", **more):
    operations = encoder.start()
    for number, text in enumerate(texts):
        operations += encoder.encode(c.TextStart(id=str(number)))
        operations += encoder.encode(c.TextDelta(id=str(number), delta=text))
    return [*operations, *encoder.end(reason, **more)]


def test_every_delta_is_a_message():
    messages = [operation.messages[0] for operation in reply(TokenEncoder("r"), "a", "b")]
    assert [(message.name, message.data) for message in messages] == [
        ("start", None),
        ("token", "a"),
        ("token", "\n\nb"),
        ("stop", None),
    ]
    assert all(message.extras == {"headers": {"responseId": "r"}} for message in messages)


def test_what_is_no_text_is_dropped():
    encoder = TokenEncoder("r")
    assert encoder.encode(c.ReasoningStart(id="r")) == []
    assert encoder.acknowledged("k", "s") == []
    assert {"reasoning-start", "data-*", "start-step"} <= TokenConversation.drops


def test_a_wait_that_nobody_can_end_is_an_error(channel):
    conversation = TokenConversation()
    encoder = TokenEncoder("r")
    changes = [conversation.feed(i) for i in channel.take([*encoder.start(), *encoder.suspend()])]
    assert changes[-1].chunks == [c.Error(error_text=UNANSWERABLE)]


def test_why_a_reply_was_complete_is_told(channel):
    conversation = TokenConversation()
    encoder = TokenEncoder("r")
    encoder.encode(c.Finish(finish_reason="length"))
    changes = [
        conversation.feed(i) for i in channel.take([*encoder.start(), *encoder.end("complete")])
    ]
    assert changes[-1].chunks == [c.Finish(finish_reason="length")]


def test_replies_interleave_and_are_told_apart(channel):
    conversation = TokenConversation()
    replies = [reply(TokenEncoder(f"r{n}"), f"text {n}") for n in range(3)]
    mixed = [operation for row in zip(*replies, strict=True) for operation in row]
    said: dict[str, list] = {}
    for inbound in channel.take(mixed):
        change = conversation.feed(inbound)
        said.setdefault(change.run_id, []).extend(change.chunks)
    assert [m.text for m in conversation.messages()] == ["text 0", "text 1", "text 2"]
    assert [chunk.type for chunk in said["r1"]] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert conversation.reply("r1") == said["r1"][:-1]


def test_what_was_said_before_comes_in_few_chunks_and_then_live(channel):
    late = TokenConversation()
    delivered = channel.take(reply(TokenEncoder("r"), "a", "b", "c"))
    for inbound in delivered[2:3]:
        late.feed(inbound, live=False)
    assert not late.runs()[0].announced
    for inbound in delivered[:2]:  # an older page of history
        late.feed(inbound, live=False)
    assert late.runs()[0].announced
    assert [chunk.type for chunk in late.reply("r")] == [
        "start", "start-step", "text-start", "text-delta",
    ]  # fmt: skip
    assert late.reply("r")[-1].delta == "a\n\nb"
    live = [chunk for inbound in delivered[3:] for chunk in late.feed(inbound).chunks]
    assert [chunk.type for chunk in live] == ["text-delta", "text-end", "finish-step", "finish"]
    assert late.messages()[-1].text == "a\n\nb\n\nc"


def test_a_delta_that_comes_late_replaces_what_was_read(channel):
    conversation = TokenConversation()
    delivered = channel.take(reply(TokenEncoder("r"), "a", "b"))
    for place in (0, 2, 3):
        conversation.feed(delivered[place])
    assert conversation.feed(delivered[1]).replaced
    assert conversation.messages()[-1].text == "a\n\nb"


@pytest.mark.parametrize(("reason", "last"), [("cancelled", "abort"), ("error", "error")])
def test_how_a_reply_ended_is_known(channel, reason, last):
    conversation = TokenConversation()
    changes = [
        conversation.feed(i)
        for i in channel.take(reply(TokenEncoder("r"), "a", reason=reason, message="broke"))
    ]
    assert (changes[0].event, changes[1].event, changes[-1].event) == ("run-start", None, "run-end")
    assert changes[-1].chunks[-1].type == last
    assert conversation.runs()[0].reason == reason


def test_a_reply_finds_its_prompt(channel, new_id):
    conversation = TokenConversation()
    prompts = PromptEncoder(new_id=new_id)
    asked = prompts.user_message(UIMessage.user("hi", id="u"))
    operations = [asked.operation, *reply(TokenEncoder("r", prompt_id=asked.input_id), "yes")]
    operations.append(prompts.cancel(asked.input_id).operation)
    changes = [conversation.feed(inbound) for inbound in channel.take(operations)]
    assert changes[0].event == "input"
    assert {change.input_id for change in changes} == {asked.input_id}
    assert conversation.cancel_for(asked.input_id) is not None
    assert [m.text for m in conversation.messages()] == ["hi", "yes"]


@pytest.mark.parametrize("seed", range(10))
def test_any_order_of_history_and_any_repetition_give_the_same_messages(channel, tools, seed):
    channel.take([*reply(TokenEncoder("r1"), "a", "b"), *reply(TokenEncoder("r2"), "c")])
    whole, joined = TokenConversation(), TokenConversation()
    for inbound in channel.delivered:
        whole.feed(inbound)
    shuffled = tools.disturb(channel.delivered, random.Random(seed))
    random.Random(seed).shuffle(shuffled)
    for inbound in shuffled:
        joined.feed(inbound, live=False)
    assert joined.messages() == whole.messages()
    assert joined.active_runs() == []


def test_messages_of_others_are_not_ours():
    conversation = TokenConversation()
    for name, data in (("token", "x"), ("chat", "x"), ("user-input", "malformed")):
        inbound = Inbound(action="create", serial=name, version=name, name=name, data=data)
        assert conversation.feed(inbound) is None
    odd = {"headers": {"responseId": "r"}}
    numbers = Inbound(action="create", serial="9", version="9", name="token", data=5, extras=odd)
    assert conversation.feed(numbers) is None
