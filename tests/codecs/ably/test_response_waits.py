from __future__ import annotations

from chat_transport import chunks as c
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.codecs.ably.response import ResponseNames
from chat_transport.codecs.ably.response_reading import ResponseConversation
from chat_transport.testing.reply_grammar import reply_faults


def inbound(serial, name=None, data="", *, action="create", version=None, **headers):
    return Inbound(
        action=action,
        serial=serial,
        version=version or serial,
        name=name,
        data=data,
        extras={"headers": headers},
    )


def grown(text, version):
    return inbound("1", data=text, action="append", version=f"1:{version}", promptId="p")


def question(serial, call):
    data = {"name": "rm", "arguments": "{}"}
    return inbound(serial, "approval-request", data, toolCallId=call)


def answer(serial, call, decision):
    return inbound(serial, "approval-response", {"decision": decision}, toolCallId=call)


BEGIN = inbound("1", "agent-response", promptId="p")
DONE = inbound("9", "agent-response-complete", None, promptId="p")


def told(conversation, *deliveries):
    """Give the stretches of the reply that a reader follows one after the other."""
    changes = [conversation.feed(each) for each in deliveries]
    found = [change for change in changes if change is not None]
    return [(change.event, list(change.chunks)) for change in found]


def states(conversation):
    return [part.state for part in conversation.messages()[-1].parts if "tool" in part.type]


def test_a_second_question_is_the_reply_going_on():
    conversation = ResponseConversation()
    first = told(conversation, BEGIN, grown("see", "1"), question("2", "c1"))
    assert [event for event, _ in first] == ["run-start", None, "run-suspend"]
    assert reply_faults([chunk for _, chunks in first for chunk in chunks]) == []
    ((event, second),) = told(conversation, question("3", "c2"))
    assert event == "run-resume"
    assert reply_faults(second) == []
    assert [chunk.type for chunk in second][:2] == ["start", "start-step"]
    assert states(conversation) == ["approval-requested"] * 2
    assert conversation.active_runs() == []
    assert [run.run_id for run in conversation.unfinished_runs()] == ["reply-p"]


def test_answered_questions_are_settled_when_the_reply_goes_on():
    conversation = ResponseConversation()
    told(conversation, BEGIN, grown("see", "1"), question("2", "c1"), question("3", "c2"))
    answers = told(conversation, answer("4", "c1", "approved"), answer("5", "c2", "rejected"))
    assert [event for event, _ in answers] == ["input", "input"]
    assert states(conversation) == ["approval-responded"] * 2
    rest = told(conversation, grown(", done", "2"), DONE)
    assert [event for event, _ in rest] == ["run-resume", "run-end"]
    chunks = [chunk for _, said in rest for chunk in said]
    assert [chunk.type for chunk in chunks][:4] == [
        "start", "tool-output-available", "tool-output-denied", "start-step",
    ]  # fmt: skip
    assert chunks[-1] == c.Finish(finish_reason="stop")
    assert states(conversation) == ["output-available", "output-denied"]
    assert conversation.messages()[-1].text == "see, done"
    assert conversation.open_texts("reply-p") == []


def test_a_reply_that_silence_ended_goes_on_when_it_speaks_again():
    conversation = ResponseConversation(ResponseNames(complete=None))
    told(conversation, BEGIN, grown("one", "1"))
    ((run, _),) = conversation.unmarked()
    change = conversation.conclude(run.run_id)
    assert (change.event, change.chunks[-1]) == ("run-suspend", c.Finish(finish_reason="other"))
    assert conversation.unmarked() == conversation.unfinished_runs() == []
    ((event, more),) = told(conversation, grown(", two", "2"))
    assert event == "run-resume"
    assert [chunk.type for chunk in more] == ["start", "start-step", "text-start", "text-delta"]
    assert conversation.messages()[-1].text == "one, two"
    assert conversation.conclude("reply-unknown") is None
    assert [each.run_id for each, _ in conversation.unmarked()] == [run.run_id]
