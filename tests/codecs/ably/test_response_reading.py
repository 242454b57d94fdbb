from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.operations import Append, OutboundMessage, Publish
from chat_transport.codecs.ably.response import ResponseEncoder
from chat_transport.codecs.ably.response_reading import ResponseConversation

CALL = [
    c.ToolInputAvailable(tool_call_id="c", tool_name="rm", input={"p": 1}),
    c.ToolApprovalRequest(tool_call_id="c", approval_id="c"),
]


def told(conversation, channel, operations):
    """Publish as the agent and give the events and chunks that are read."""
    changes = [conversation.feed(i) for i in channel.take(operations, by="agent")]
    found = [change for change in changes if change is not None]
    events = [change.event for change in found if change.event is not None]
    return events, [chunk for change in found for chunk in change.chunks]


def say(encoder, text):
    operations = []
    for chunk in (c.TextStart(id="t"), c.TextDelta(id="t", delta=text), c.TextEnd(id="t")):
        operations += encoder.encode(chunk)
    return operations


def guide(text):
    """What a guide's agent says: a reply, and a question that nothing marks as a wait."""
    headers = {"promptId": "p1"}
    ask = OutboundMessage(
        name="approval-request",
        data={"name": "rm", "arguments": "{}"},
        extras={"headers": {"toolCallId": "c"}},
    )
    return [
        Publish(
            messages=(
                OutboundMessage(name="agent-response", data="", extras={"headers": headers}),
            ),
            key="r",
        ),
        Append(key="r", data=text, extras={"headers": headers}),
        Publish(messages=(ask,)),
    ]


@pytest.fixture
def conversation():
    return ResponseConversation()


def test_a_waiting_reply_goes_on_in_its_message(conversation, channel):
    encoder = ResponseEncoder("p1")
    operations = [*encoder.start(), *say(encoder, "let me see")]
    operations += [each for chunk in CALL for each in encoder.encode(chunk)]
    events, chunks = told(conversation, channel, [*operations, *encoder.suspend()])
    assert events == ["run-start", "run-suspend"]
    assert chunks[-1] == c.Finish(finish_reason="tool-calls")
    (run,) = conversation.runs()
    serial, text = conversation.continued(run.run_id)
    assert text == "let me see"
    again = ResponseEncoder("p1", continued=(serial, text))
    assert again.start() == []
    assert again.continued() == [("response", serial, text)]
    events, chunks = told(conversation, channel, [*say(again, "done"), *again.end("complete")])
    assert events == ["run-resume", "run-end"]
    assert [chunk.type for chunk in chunks] == [
        "start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish",
    ]  # fmt: skip
    assert again.repair("response").data == "let me see\n\ndone"
    (reply,) = conversation.messages()
    assert reply.text == "let me see\n\ndone"
    assert conversation.continued(run.run_id) is None


def test_a_guides_question_makes_its_reply_wait(conversation, channel):
    events, chunks = told(conversation, channel, guide("let me see"))
    assert events == ["run-start", "run-suspend"]
    assert [chunk.type for chunk in chunks][-5:] == [
        "tool-input-start", "tool-input-available", "tool-approval-request", "finish-step", "finish",
    ]  # fmt: skip
    more = Append(key="r", data="\n\ndone", extras={"headers": {"promptId": "p1"}})
    done = OutboundMessage(name="agent-response-complete", extras={"headers": {"promptId": "p1"}})
    events, chunks = told(conversation, channel, [more, Publish(messages=(done,))])
    assert events == ["run-resume", "run-end"]
    assert chunks[-1] == c.Finish(finish_reason="stop")
    (reply,) = conversation.messages()
    assert reply.text == "let me see\n\ndone"


def test_a_wait_that_is_told_again_is_no_news(conversation, channel):
    encoder = ResponseEncoder("p1")
    asked = [each for chunk in CALL for each in encoder.encode(chunk)]
    told(conversation, channel, [*encoder.start(), *asked, *encoder.suspend()])
    assert told(conversation, channel, encoder.suspend()) == ([], [])


def test_a_waiting_reply_can_be_ended(conversation, channel):
    encoder = ResponseEncoder("p1")
    asked = [each for chunk in CALL for each in encoder.encode(chunk)]
    told(conversation, channel, [*encoder.start(), *say(encoder, "hm"), *asked, *encoder.suspend()])
    (run,) = conversation.runs()
    assert len(conversation.open_texts(run.run_id)) == 1
    events, chunks = told(conversation, channel, encoder.end("cancelled"))
    assert (events, chunks[-1]) == (["run-end"], c.Abort())
    assert conversation.open_texts(run.run_id) == []
