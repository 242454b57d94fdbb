from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport.conversation import Conversation
from chat_transport.codecs.ably.ai_transport.prompt import UNANSWERED


@pytest.fixture
def waiting(talk):
    """A run that waits for a person's leave: the conversation, its encoder, the message's id."""
    encoder = talk.run(talk.ask("rm"))
    holder = talk.call_tool(encoder, approval=True)
    talk.put(encoder.suspend())
    return talk, encoder, holder


def answer(talk, encoder, holder, **decision):
    return talk.send(
        talk.client.approval(
            message_id=holder, run_id=encoder.identity.run_id, tool_call_id="call", **decision
        )
    )


def tool(talk):
    return talk.conversation.entries()[1].message.parts[-1]


def test_a_pending_approval_is_found_until_it_is_answered(waiting):
    talk, encoder, holder = waiting
    (pending,) = talk.conversation.pending_approvals()
    assert (pending.message_id, pending.tool_name, pending.input) == (holder, "rm", {"p": 1})
    assert (pending.approval_id, pending.run_id) == ("ap", encoder.identity.run_id)
    assert talk.conversation.pending_approvals("other run") == []
    answer(talk, encoder, holder, approved=True)
    assert talk.conversation.pending_approvals() == []


def test_a_pending_client_tool_is_found(talk):
    encoder = talk.run(talk.ask("where"))
    talk.call_tool(encoder)
    talk.put(encoder.suspend())
    (pending,) = talk.conversation.pending_calls()
    assert pending.approval_id is None
    assert talk.conversation.pending_approvals() == []
    talk.send(
        talk.client.tool_result(
            message_id=pending.message_id,
            run_id=pending.run_id,
            tool_call_id="call",
            error_text="no gps",
        )
    )
    assert (tool(talk).state, tool(talk).error_text) == ("output-error", "no gps")


def test_nothing_is_pending_in_a_run_that_ended(talk):
    encoder = talk.run(talk.ask("rm"))
    talk.call_tool(encoder, approval=True)
    talk.put(encoder.end("cancelled"))
    assert talk.conversation.pending_calls() == []


def test_a_denial_keeps_its_id_and_reason(waiting):
    talk, encoder, holder = waiting
    answer(talk, encoder, holder, approved=False, reason="risky")
    approval = tool(talk).approval
    assert (approval.id, approval.approved, approval.reason) == ("ap", False, "risky")


def test_the_later_of_two_answers_wins_until_there_is_an_output(waiting):
    talk, encoder, holder = waiting
    answer(talk, encoder, holder, approved=False)
    second = answer(talk, encoder, holder, approved=True)
    assert tool(talk).approval.approved
    again = talk.run(second)
    talk.put(again.encode(c.ToolOutputAvailable(tool_call_id="call", output=1)))
    answer(talk, encoder, holder, approved=False)
    assert (tool(talk).state, tool(talk).approval.approved) == ("output-available", True)


def test_a_resumed_pass_joins_its_message(waiting):
    talk, encoder, holder = waiting
    again = talk.run(answer(talk, encoder, holder, approved=True))
    for chunk in (
        c.Start(message_id="a-tool"),
        c.ToolOutputAvailable(tool_call_id="call", output="done"),
        c.StartStep(),
        c.TextStart(id="t2"),
        c.TextDelta(id="t2", delta="Deleted."),
    ):
        talk.put(again.encode(chunk))
    talk.put(again.end())
    assert [entry.message.id for entry in talk.conversation.entries()] == [
        "u-rm",
        "a-tool",
        "a-tool",
    ]
    _, joined = talk.conversation.messages()
    assert joined.text == "Deleted."
    assert joined.parts[1].output == "done"
    assert talk.conversation.find("a-tool").message.text == "Deleted."
    assert talk.conversation.find("nobody") is None


def test_an_own_copy_is_met_when_all_that_is_newer_follows_from_it(talk):
    """Read backwards: an edit of the second question shows nothing before its parent is known."""
    one = talk.answer(talk.ask("one"), "first")
    two = talk.ask("two", parent=one)
    talk.answer(two, "second")
    talk.answer(talk.ask("edited", parent=one, fork_of=two.input_id), "third")
    late, met = Conversation(), []
    for inbound in reversed(talk.channel.history()):
        late.feed(inbound, live=False)
        met.append(late.meets({"u-one", "a-first", "u-two", "a-second"}))
    texts = [message.text for message in late.messages()]
    assert texts == ["one", "first", "edited", "third"]
    assert not late.meets({"u-two", "a-second"})  # they are shown no more
    assert met == sorted(met)  # once it is true, it stays so
    assert met[-1]
    read_first = next(n for n, is_met in enumerate(met) if is_met)
    assert len(talk.channel.history()) - read_first > 1  # the beginning is not needed


def test_entries_say_where_they_stand(talk):
    asked = talk.ask("hi")
    message_id = talk.answer(asked, "yes")
    first, second = talk.conversation.entries()
    assert (first.message_id, first.run_id, first.run_state) == (asked.input_id, None, None)
    assert (second.message_id, second.run_state) == (message_id, "ended")


def test_a_prompt_keeps_what_was_cut_short_and_closes_its_calls(talk):
    encoder = talk.run(talk.ask("rm"))
    talk.call_tool(encoder)
    talk.put(encoder.end("cancelled"))
    asked = talk.ask("again", parent=encoder.message_id or "id")
    holder = talk.conversation.entries()[1].message_id
    asked = talk.ask("again", parent=holder)
    identity = talk.identify(asked)
    _, partial, last = talk.conversation.prompt(identity)
    assert partial.parts[-1].error_text == UNANSWERED
    assert last.text == "again"
    completed = talk.conversation.prompt(identity, policy="completed_only")
    assert [message.text for message in completed] == ["again"]


def test_a_prompt_holds_the_own_run_with_steers_that_nobody_answered_last(talk):
    asked = talk.ask("start")
    encoder = talk.run(asked)
    talk.ask("faster", run_id=encoder.identity.run_id)
    talk.say(encoder, "working")
    prompt = talk.conversation.prompt(encoder.identity)
    assert [message.text for message in prompt] == ["start", "working", "faster"]


def test_a_prompt_for_another_answer_ends_before_the_first(talk):
    asked = talk.ask("hi")
    first = talk.answer(asked, "one")
    again = talk.send(talk.client.regenerate(first, parent=asked.input_id))
    prompt = talk.conversation.prompt(talk.identify(again))
    assert [message.text for message in prompt] == ["hi"]
    lower = talk.send(talk.client.regenerate(first, parent=first))
    prompt = talk.conversation.prompt(talk.identify(lower))
    assert [message.text for message in prompt] == ["hi"]
