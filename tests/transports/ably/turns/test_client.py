from __future__ import annotations

import pytest

from chat_transport.chunks import ToolApprovalRequest, ToolInputAvailable
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.codecs.ably.response import ResponseNames
from chat_transport.errors import NotSupported, RequestRejected
from chat_transport.inputs import SendMessages
from chat_transport.messages import FilePart, TextPart, UIMessage
from chat_transport.transports.ably.turns import ResponseWire
from chat_transport.transports.ably.wire import RunRef


def test_without_a_message_there_is_nothing_to_ask(ends):
    with pytest.raises(RequestRejected, match="there is no message"):
        ends.client.encode(SendMessages(chat_id="c", messages=[]))


def test_there_are_no_branches(ends):
    ends.ask("hi")
    (message,) = ends.client.messages()
    assert ends.client.branches(message.id).siblings == [message]
    with pytest.raises(NotSupported, match="no branches"):
        ends.client.select(message.id, 1)


def test_nothing_older_is_needed_to_ask(ends):
    request = SendMessages(chat_id="c", messages=[UIMessage.user("hi", id="u")])
    assert not ends.client.needs_older(request)


def test_an_own_copy_is_met_where_a_message_of_it_was_read(ends):
    ends.ask("hi")
    (message,) = ends.client.messages()
    assert ends.client.meets({message.id})
    assert not ends.client.meets({"elsewhere"})


def test_a_stop_names_the_prompt(ends):
    asked = ends.ask("hi")
    _, speaker = ends.begin(asked)
    ends.say(speaker, "yes")
    (ref,) = ends.client.active_runs()
    ends.put([ends.client.cancel(ref).publish], by="alice")
    assert ends.agent.is_cancelled(ends.agent.resolve(asked.event_id))


def test_what_was_said_so_far_is_given_in_few_chunks(ends):
    _, speaker = ends.begin(ends.ask("hi"))
    ends.say(speaker, "yes")
    (ref,) = ends.client.active_runs()
    assert [chunk.type for chunk in ends.client.reply(ref)] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
    ]


@pytest.mark.parametrize("name", ["message-per-response", "message-per-token"])
def test_prompts_are_text(make_ends, name):
    ends = make_ends(name)
    file = UIMessage.user("x", id="u", files=[FilePart(media_type="a/b", url="https://x")])
    with pytest.raises(NotSupported, match="text prompts only"):
        ends.client.encode(SendMessages(chat_id="c", messages=[file]))


def test_an_agents_message_that_answers_nothing_is_refused(make_ends):
    ends = make_ends("message-per-response")
    reply = UIMessage(id="a", role="assistant", parts=[TextPart(text="x")])
    with pytest.raises(RequestRejected, match="no call in it waits"):
        ends.client.encode(SendMessages(chat_id="c", messages=[reply]))


def waiting(ends, *, text="hi"):
    """Let the agent ask for an approval of call `c`; gives the conversation as a client shows it."""
    asked = ends.ask(text)
    _, speaker = ends.begin(asked)
    call = ToolInputAvailable(tool_call_id="c", tool_name="rm", input={"p": 1})
    for chunk in (call, ToolApprovalRequest(tool_call_id="c", approval_id="c")):
        ends.put(speaker.encode(chunk), by="agent")
    ends.put(speaker.suspend(), by="agent")
    return list(ends.client.messages())


def changed(message, **fields):
    """Give the message with its calls changed."""
    wire = message.to_wire()
    for part in wire["parts"]:
        if "toolCallId" in part:
            part.update(fields)
    return UIMessage.model_validate(wire)


APPROVED = {"state": "approval-responded", "approval": {"id": "c", "approved": True}}


@pytest.fixture
def ends_with_question(make_ends):
    ends = make_ends("message-per-response")
    prompt, reply = waiting(ends)
    return ends, prompt, changed(reply, **APPROVED)


def names(outgoing):
    return [each.publish.messages[0].name for each in outgoing]


def test_a_decision_is_sent_for_the_message_that_the_request_names(ends_with_question):
    ends, prompt, answered = ends_with_question
    later = UIMessage.user("and now", id="u-later")
    request = SendMessages(chat_id="c", messages=[prompt, answered, later], message_id=answered.id)
    (outgoing,) = ends.client.encode(request)
    assert names([outgoing]) == ["approval-response"]
    assert outgoing.input_id == prompt.id


def test_decisions_that_were_not_sent_go_before_a_prompt(ends_with_question):
    ends, prompt, answered = ends_with_question
    later = UIMessage.user("and now", id="u-later")
    request = SendMessages(chat_id="c", messages=[prompt, answered, later])
    outgoing = ends.client.encode(request)
    assert names(outgoing) == ["approval-response", "user-input"]
    ends.put([each.publish for each in outgoing], by="alice")
    again = SendMessages(
        chat_id="c", messages=[prompt, answered, later, UIMessage.user("more", id="u-more")]
    )
    assert names(ends.client.encode(again)) == ["user-input"]


def test_an_answer_to_what_was_not_read_needs_older_history(ends_with_question, make_ends):
    ends, prompt, answered = ends_with_question
    request = SendMessages(chat_id="c", messages=[prompt, answered], message_id=answered.id)
    assert not ends.client.needs_older(request)
    assert make_ends("message-per-response").client.needs_older(request)


def test_an_output_is_refused_and_nothing_is_sent(ends_with_question):
    ends, prompt, answered = ends_with_question
    given = changed(answered, state="output-available", output="by hand")
    with pytest.raises(NotSupported, match="answer a tool call with an output"):
        ends.client.encode(SendMessages(chat_id="c", messages=[prompt, given]))


@pytest.mark.parametrize("name", ["message-per-response", "message-per-token"])
def test_what_there_is_no_word_for_is_refused(make_ends, name):
    ends = make_ends(name)
    ends.ask("hi")
    (prompt,) = ends.client.messages()
    with pytest.raises(NotSupported, match="unable to regenerate in chat 'c'"):
        ends.client.encode(
            SendMessages(chat_id="c", messages=[prompt], trigger="regenerate-message")
        )
    with pytest.raises(NotSupported, match="change or repeat a message"):
        ends.client.encode(SendMessages(chat_id="c", messages=[prompt], message_id=prompt.id))


def test_an_approval_is_refused_where_none_can_be_asked_for(make_ends):
    ends = make_ends("message-per-token")
    part = {"type": "tool-rm", "toolCallId": "c", "input": {}, **APPROVED}
    reply = UIMessage.model_validate({"id": "a", "role": "assistant", "parts": [part]})
    with pytest.raises(NotSupported, match="use the wire message-per-response"):
        ends.client.encode(SendMessages(chat_id="c", messages=[reply]))


@pytest.mark.parametrize("name", ["message-per-response", "message-per-token"])
def test_only_a_user_asks(make_ends, name):
    order = UIMessage(id="s", role="system", parts=[TextPart(text="obey")])
    with pytest.raises(RequestRejected, match="its role is 'system'"):
        make_ends(name).client.encode(SendMessages(chat_id="c", messages=[order]))


def test_a_prompt_and_its_reply_have_the_ids_that_the_client_sees(make_ends):
    ends = make_ends("message-per-token")
    asked = ends.ask("hi")
    task, speaker = ends.begin(asked)
    ends.say(speaker, "yes")
    ends.finish(speaker)
    assert [message.id for message in ends.client.messages()] == ["u-hi", "reply-u-hi"]
    assert task.reply_id == "reply-u-hi"


def test_only_replies_of_agents_that_mark_nothing_may_end_in_silence(make_ends):
    ends = make_ends("message-per-response")
    _, speaker = ends.begin(ends.ask("hi"))
    ends.say(speaker, "yes")
    assert ends.client.unmarked() == []
    (ref,) = ends.client.active_runs()
    plain = ResponseWire(names=ResponseNames(complete=None), idle_s=1.5)
    client = plain.client(client_id="ann", new_id=lambda: "x")
    assert client.idle_s == 1.5
    begin = Inbound(action="create", serial="1", version="1", name="agent-response", data="")
    client.feed(begin, live=True)
    assert client.unmarked() == []  # it has not spoken yet
    said = Inbound(action="append", serial="1", version="1:1", data="x", timestamp=5000)
    client.feed(said, live=True)
    ((silent, at),) = client.unmarked()
    assert (silent.run_id, at) == ("reply-1", 5000)
    heard = client.conclude(silent)
    assert heard is not None
    assert [chunk.type for chunk in heard.chunks] == ["text-end", "finish-step", "finish"]
    assert client.unmarked() == client.active_runs() == []
    assert client.conclude(RunRef(run_id="other", input_id=None)) is None
    assert client.oldest_open() is None
    more = Inbound(action="append", serial="1", version="1:2", data="y", timestamp=6000)
    again = client.feed(more, live=True)
    assert (again.event, again.ref.message_id) == ("run-resume", "reply-1")
    assert client.messages()[-1].text == "xy"
    assert ref.run_id == "reply-u-hi"


def test_a_prompts_own_metadata_reaches_the_agent_and_every_device(ends):
    asked = UIMessage.user("hi", id="u1").model_copy(update={"metadata": {"theme": "dark"}})
    (outgoing,) = ends.client.encode(SendMessages(chat_id="c", messages=[asked]))
    ends.put([outgoing.publish], by="alice")
    task = ends.agent.resolve(outgoing.event_id)
    for messages in (ends.client.messages(), ends.agent.prompt(task)):
        assert [message.metadata for message in messages] == [{"theme": "dark"}]
