from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.response import ResponseEncoder
from chat_transport.codecs.ably.response_reading import ResponseConversation
from chat_transport.codecs.ably.text_turns import dropped_by_text
from chat_transport.testing.reply_grammar import reply_faults

CALL = [
    c.ToolInputAvailable(tool_call_id="c", tool_name="rm", input={}),
    c.ToolApprovalRequest(tool_call_id="c", approval_id="c"),
]


def text(*words):
    return [c.TextStart(id="t"), *(c.TextDelta(id="t", delta=word) for word in words)]


def read(conversation, channel, operations):
    changes = [conversation.feed(inbound) for inbound in channel.take(operations)]
    return [chunk for change in changes if change is not None for chunk in change.chunks]


def say(encoder, chunks):
    return [operation for chunk in chunks for operation in encoder.encode(chunk)]


def test_what_is_carried_is_words_and_ends():
    carried = {"start", "text-delta", "finish", "abort", "error"}
    assert not carried & dropped_by_text()
    assert {"text-start", "start-step", "message-metadata", "data-*"} <= dropped_by_text()


@pytest.mark.parametrize("reason", ["complete", "cancelled", "error"])
@pytest.mark.parametrize("words", [(), ("a",), ("a", "b")])
def test_every_reply_keeps_the_grammar(channel, words, reason):
    encoder = ResponseEncoder("p")
    operations = [*encoder.start(), *say(encoder, text(*words)), *encoder.end(reason)]
    chunks = read(ResponseConversation(), channel, operations)
    assert reply_faults(chunks) == []
    assert ("text-start" in [chunk.type for chunk in chunks]) == bool(words)


def test_a_reply_joined_in_the_middle_keeps_the_grammar_too(channel):
    encoder = ResponseEncoder("p")
    channel.take([*encoder.start(), *say(encoder, text("a"))])
    late = ResponseConversation()
    for inbound in channel.history():
        late.feed(inbound, live=False)
    before = late.reply("reply-p")
    after = read(late, channel, [*say(encoder, [*text("b"), *CALL]), *encoder.suspend()])
    assert reply_faults([*before, *after]) == []


def test_a_reply_that_goes_on_after_a_wait_is_told_as_one(channel):
    conversation = ResponseConversation()
    first = ResponseEncoder("p")
    read(conversation, channel, [*first.start(), *say(first, [*text("a"), *CALL])])
    read(conversation, channel, first.suspend())
    again = ResponseEncoder("p", continued=conversation.continued("reply-p"))
    live = read(conversation, channel, say(again, text("b")))
    assert [chunk.type for chunk in live] == ["start", "start-step", "text-start", "text-delta"]
    told = conversation.reply("reply-p")
    assert reply_faults([*told, c.TextEnd(id=live[-1].id), c.FinishStep(), c.Finish()]) == []
    assert [chunk.delta for chunk in told if isinstance(chunk, c.TextDelta)] == ["a", "\n\nb"]
