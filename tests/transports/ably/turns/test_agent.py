from __future__ import annotations

import pytest

from chat_transport.chunks import ToolApprovalRequest, ToolInputAvailable
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.codecs.ably.prompts import PromptEncoder
from chat_transport.transports.ably.wire import RunRef


def inbound(outgoing, by="alice"):
    (message,) = outgoing.publish.messages
    return Inbound(
        action="create",
        serial="999",
        version="999",
        name=message.name,
        data=message.data,
        extras=message.extras,
        client_id=by,
    )


def test_what_a_message_wants_is_said_before_it_is_believed(ends):
    asked = ends.ask("hi")
    assert ends.agent.act(inbound(asked)).kind == "start"
    _, speaker = ends.begin(asked)
    ends.say(speaker, "yes")
    (ref,) = ends.agent.active_runs()
    act = ends.agent.act(inbound(ends.client.cancel(ref)))
    assert (act.kind, act.owner, act.is_known) == ("cancel", "alice", True)
    unknown = RunRef(run_id=None, input_id="never seen")
    assert not ends.agent.act(inbound(ends.client.cancel(unknown))).is_known
    grown = Inbound(action="append", serial="1", version="2", data="x")
    assert ends.agent.act(grown) is None or ends.agent.act(grown).kind == "speak"
    foreign = Inbound(action="create", serial="1", version="1", name="chat", data="x")
    assert ends.agent.act(foreign) is None


def test_a_prompt_is_answered_once(ends):
    asked = ends.ask("hi")
    assert ends.agent.knows(asked.event_id)
    assert not ends.agent.lacks_run(asked.event_id)
    task = ends.agent.resolve(asked.event_id)
    assert (task.owner, task.continues, task.trigger) == ("alice", False, "submit-message")
    assert ends.agent.answered_by(task) is None
    task, speaker = ends.begin(asked)
    ends.say(speaker, "yes")
    assert ends.agent.answered_by(task) == task.ref.run_id
    assert ends.agent.resolve("never seen") is None


def test_the_model_sees_what_was_said_before(ends):
    _, speaker = ends.begin(ends.ask("one"))
    ends.say(speaker, "first")
    ends.finish(speaker)
    task, speaker = ends.begin(ends.ask("two"))
    ends.say(speaker, "second")
    assert [m.text for m in ends.agent.prompt(task)] == ["one", "first", "two"]
    assert ends.agent.needs_older(task)


def test_a_question_comes_last_whatever_is_said_meanwhile(ends):
    one, two, three = (ends.ask(text) for text in ("one", "two", "three"))
    for asked, text in ((one, "first"), (three, "third")):
        _, speaker = ends.begin(asked)
        ends.say(speaker, text)
    seen = [message.text for message in ends.agent.prompt(ends.agent.resolve(two.event_id))]
    assert sorted(seen) == ["first", "one", "two"]
    assert seen[-1] == "two"


@pytest.mark.parametrize("reason", ["cancelled", "error"])
def test_a_reply_that_nobody_goes_on_with_is_closed(ends, reason):
    _, speaker = ends.begin(ends.ask("hi"))
    ends.say(speaker, "half")
    (ref,) = ends.agent.active_runs()
    orphan = ends.agent.orphan(ref, reason)
    for serial, message in orphan.appends:
        closing = Inbound(
            action="append",
            serial=serial,
            version=f"{serial}:z",
            data=message.data,
            extras=message.extras,
            client_id="agent",
        )
        ends.client.feed(closing, live=True)
        ends.agent.feed(closing, live=True)
    ends.put(orphan.publish, by="agent")
    assert ends.client.active_runs() == ends.agent.active_runs() == []
    assert ends.client.messages()[-1].text == "half"


def test_only_a_waiting_reply_is_suspended(ends):
    _, speaker = ends.begin(ends.ask("hi"))
    ends.say(speaker, "half")
    (ref,) = ends.agent.active_runs()
    assert ends.agent.suspended(ref) is None
    assert ends.agent.suspended(RunRef(run_id=None, input_id=ref.input_id)) is None


@pytest.mark.parametrize("first", [True, False])
def test_of_two_decisions_the_first_counts(make_ends, first):
    ends = make_ends("message-per-response")
    _, speaker = ends.begin(ends.ask("rm"))
    call = ToolInputAvailable(tool_call_id="c", tool_name="rm", input={})
    for chunk in (call, ToolApprovalRequest(tool_call_id="c", approval_id="c")):
        ends.put(speaker.encode(chunk), by="agent")
    ends.put(speaker.suspend(), by="agent")
    encoder = PromptEncoder(new_id=ends.new_id)
    for approved in (first, not first):
        ends.put([encoder.approval("c", approved=approved).operation], by="alice")
    for end in (ends.agent, ends.client):
        part = end.conversation.messages()[-1].parts[-1]
        assert part.approval.approved is first
