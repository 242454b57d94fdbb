from __future__ import annotations

import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport import RunIdentity


def test_a_run_is_followed_from_start_to_end(talk):
    asked = talk.ask("hi")
    encoder = talk.run(asked)
    run = talk.conversation.run_for_input(asked.input_id)
    assert (run.state, run.reason, run.announced) == ("active", None, True)
    assert talk.conversation.active_runs() == [run]
    talk.put(encoder.suspend())
    assert talk.conversation.run(run.run_id).state == "suspended"
    assert talk.conversation.active_runs() == []
    assert talk.conversation.run("nobody") is None
    assert talk.conversation.run_for_input("nothing") is None


def test_a_failed_run_keeps_code_and_text(talk):
    encoder = talk.run(talk.ask("hi"))
    talk.put(encoder.end("error", code=50000, message="broke"))
    (run,) = talk.conversation.runs()
    assert (run.reason, run.error_code, run.error_message) == ("error", 50000, "broke")


def test_a_first_question_is_identified(talk):
    asked = talk.ask("hi")
    identity = talk.identify(asked)
    assert (identity.input_id, identity.parent, identity.output_parent) == (asked.input_id,) * 3
    assert (identity.run_client_id, identity.input_client_id) == ("alice", "alice")
    assert not identity.continues


def test_a_regeneration_hangs_where_the_first_answer_hung(talk):
    asked = talk.ask("hi")
    first = talk.answer(asked, "one")
    again = talk.send(talk.client.regenerate(first, parent=asked.input_id))
    identity = talk.identify(again)
    assert (identity.parent, identity.regenerates) == (asked.input_id, first)
    assert identity.input_id == again.input_id


def test_an_answer_to_a_tool_call_re_enters_the_run(talk):
    asked = talk.ask("rm")
    encoder = talk.run(asked)
    holder = talk.call_tool(encoder, approval=True)
    talk.put(encoder.suspend())
    answer = talk.send(
        talk.client.approval(
            message_id=holder,
            run_id=encoder.identity.run_id,
            tool_call_id="call",
            approved=True,
            parent=holder,
        )
    )
    identity = talk.identify(answer)
    assert identity.continues
    assert identity.run_id == encoder.identity.run_id
    assert (identity.input_id, identity.output_parent, identity.parent) == (holder,) * 3


def test_a_fork_takes_the_place_of_the_run_it_resolves(talk):
    asked = talk.ask("where")
    encoder = talk.run(asked)
    talk.call_tool(encoder)
    talk.put(encoder.suspend())
    held = [message for _, message in talk.conversation.messages_of(encoder.identity.run_id)]
    fork = talk.send(
        talk.client.tool_result_fork(
            talk.client.fork(
                messages=held, parent=asked.input_id, supersedes=encoder.identity.run_id
            ),
            "call",
            output={"city": "Oslo"},
        )
    )
    identity = talk.identify(fork)
    assert (identity.parent, identity.output_parent) == (asked.input_id, fork.input_id)
    talk.answer(fork, "Oslo")
    assert talk.texts == ["where", "", "Oslo"]
    (run,) = talk.conversation.runs()
    assert run.input_ids == (fork.input_id,)
    part = talk.conversation.entries()[1].message.parts[-1]
    assert (part.state, part.output) == ("output-available", {"city": "Oslo"})


def test_a_cancel_is_found_by_run_or_input_if_it_is_newer(talk):
    asked = talk.ask("hi")
    trigger = talk.conversation.trigger(asked.event_id)
    talk.send(talk.client.cancel(input_id=asked.input_id))
    found = talk.conversation.cancel_for(run_id=None, input_id=asked.input_id, after=trigger.serial)
    assert (found.input_id, found.client_id) == (asked.input_id, "alice")
    assert talk.conversation.cancel_for(run_id="r", input_id="other") is None
    after = talk.conversation.cancel_for(run_id=None, input_id=asked.input_id, after=found.serial)
    assert after is None
    talk.send(talk.client.cancel(run_id="r"))
    assert talk.conversation.cancel_for(run_id="r", input_id=None).run_id == "r"


def test_steers_wait_until_an_output_answers_them(talk):
    encoder = talk.run(talk.ask("start"))
    talk.say(encoder, "working")
    run_id = encoder.identity.run_id
    steer = talk.ask("faster", run_id=run_id)
    assert talk.conversation.unanswered_steers(run_id) == [steer.input_id]
    operations = encoder.next_message(steers=[steer.input_id])
    talk.put([*operations, *encoder.encode(c.Start(message_id="a2"))])
    assert talk.conversation.unanswered_steers(run_id) == []
    assert talk.conversation.unanswered_steers("nobody") == []


def test_a_reply_is_given_from_its_start_in_few_chunks(talk):
    encoder = talk.run(talk.ask("hi"))
    talk.put(encoder.encode(c.Start(message_id="a")))
    talk.put(encoder.encode(c.TextStart(id="t")))
    for text in ("one ", "two ", "three"):
        talk.put(encoder.encode(c.TextDelta(id="t", delta=text)))
    assert talk.conversation.reply(encoder.identity.run_id) == [
        c.Start(message_id="a"),
        c.StartStep(),
        c.TextStart(id="t"),
        c.TextDelta(id="t", delta="one two three"),
    ]
    assert talk.conversation.reply("nobody") == []
    assert talk.conversation.reply(encoder.identity.run_id, input_id="other") == []


def test_live_chunks_go_on_where_history_ended(talk):
    from chat_transport.codecs.ably.ai_transport import Conversation

    encoder = talk.run(talk.ask("hi"))
    for chunk in (c.Start(message_id="a"), c.TextStart(id="t"), c.TextDelta(id="t", delta="a")):
        talk.put(encoder.encode(chunk))
    joined = Conversation()
    for inbound in talk.channel.history():
        change = joined.feed(inbound, live=False)
        assert change is None or change.chunks == ()
    more = talk.channel.take(encoder.encode(c.TextDelta(id="t", delta="b")))
    change = joined.feed(more[0])
    assert change.chunks == (c.TextDelta(id="t", delta="b"),)
    assert change.input_id == encoder.identity.input_id


def test_a_retried_step_voids_what_the_first_attempt_said(talk):
    encoder = talk.run(talk.ask("x"))
    changes = []
    for text in ("bad", "good"):
        (step,) = encoder.begin_step("plan")
        changes += talk.put([step])
        talk.put(encoder.acknowledged(step.key, talk.channel.serials[step.key]))
        talk.say(encoder, text)
        talk.put(encoder.end_step("failed" if text == "bad" else "complete"))
    assert [change.replaced for change in changes] == [False, True]
    assert talk.texts == ["x", "good"]
    late = talk.conversation.feed
    assert late(talk.channel.delivered[-1]) is None


def attempt(talk, encoder, *chunks, reason="complete"):
    """Say chunks in an attempt of the step `plan`; give what changed at its begin."""
    (begin,) = encoder.begin_attempt("plan")
    (change,) = talk.put([begin])
    talk.put(encoder.acknowledged(begin.key, talk.channel.serials[begin.key]))
    for chunk in chunks:
        talk.put(encoder.encode(chunk))
    talk.put(encoder.end_attempt(reason))
    return change


def text(words):
    return (
        c.StartStep(),
        c.TextStart(id="t"),
        c.TextDelta(id="t", delta=words),
        c.TextEnd(id="t"),
        c.FinishStep(),
    )


def test_a_retry_is_told_to_whom_reads_the_reply_and_leaves_one_message(talk):
    asked = talk.ask("x")
    encoder = talk.run(asked)
    talk.put(encoder.encode(c.Start(message_id="a")))
    assert not attempt(talk, encoder, *text("half"), reason="failed").replaced
    change = attempt(talk, encoder, *text("whole"))
    assert (change.replaced, change.input_id) == (True, asked.input_id)
    talk.put([*encoder.encode(c.Finish()), *encoder.end()])
    _, reply = talk.conversation.entries()
    assert reply.message.id == "a"
    assert [part.type for part in reply.message.parts] == ["step-start", "text"]
    assert reply.message.text == "whole"


def test_whoever_reads_history_at_any_point_sees_the_attempt_that_counts_then(talk):
    from chat_transport.codecs.ably.ai_transport import Conversation

    encoder = talk.run(talk.ask("x"))
    talk.put(encoder.encode(c.Start(message_id="a")))
    attempt(talk, encoder, *text("half"), reason="failed")
    points = {"half": list(talk.channel.history())}
    (begin,) = encoder.begin_attempt("plan")
    talk.put([begin])
    points[""] = list(talk.channel.history())
    talk.put(encoder.acknowledged(begin.key, talk.channel.serials[begin.key]))
    for chunk in text("whole"):
        talk.put(encoder.encode(chunk))
    points["whole"] = list(talk.channel.history())
    run_id = encoder.identity.run_id
    for words, stored in points.items():
        for seen in (stored, stored[::-1]):  # pages of history are read from the newest
            late = Conversation()
            for inbound in seen:
                late.feed(inbound, live=False)
            said = [each.delta for each in late.reply(run_id) if each.type == "text-delta"]
            assert "".join(said) == words
            shown = late.messages()[-1]
            assert (shown.text if shown.role == "assistant" else "") == words


def test_a_live_reader_of_a_retry_lacks_no_step(talk):
    encoder = talk.run(talk.ask("x"))
    talk.put(encoder.encode(c.Start(message_id="a")))
    attempt(talk, encoder, *text("half")[:3], reason="failed")  # no word of the step's end
    (begin,) = encoder.begin_attempt("plan")
    talk.put([begin])
    talk.put(encoder.acknowledged(begin.key, talk.channel.serials[begin.key]))
    (change,) = talk.put(encoder.encode(c.TextStart(id="t")))
    assert list(change.chunks) == [c.StartStep(), c.TextStart(id="t")]


@pytest.mark.parametrize("reason", ["cancelled", "error"])
def test_who_did_not_end_well_is_left_out_of_a_javascript_prompt(talk, reason):
    first = talk.answer(talk.ask("one"), "half", reason=reason)
    asked = talk.ask("two", parent=first)
    shown = talk.conversation.prompt_entries(talk.identify(asked))
    assert [message.text for _, message in shown] == ["two"]


def test_what_was_said_before_a_message_of_a_failed_run_stays_in_its_prompt(talk):
    asked = talk.ask("hi")
    second = talk.answer(asked, "one", "two", reason="error")
    first = talk.conversation.messages_of(talk.conversation.runs()[0].run_id)[0][0]
    again = talk.send(talk.client.regenerate(second, parent=first))
    identity = talk.identify(again)
    shown = talk.conversation.prompt_entries(identity)
    assert [message.text for _, message in shown] == ["hi", "one"]
    prompt = talk.conversation.prompt(identity, policy="completed_only")
    assert [message.text for message in prompt] == ["hi", "one"]


def test_who_goes_on_with_a_run_knows_whom_its_steps_were_for(talk):
    asked = talk.ask("rm")
    encoder = talk.run(asked)
    (step,) = encoder.begin_step(client_id="zoe")
    talk.put([step])
    encoder.acknowledged(step.key, "1")
    holder = talk.call_tool(encoder, approval=True)
    talk.put(encoder.end_step())
    talk.put(encoder.suspend())
    answer = talk.client.approval(
        message_id=holder,
        run_id=encoder.identity.run_id,
        tool_call_id="call",
        approved=True,
        parent=holder,
    )
    identity = talk.identify(talk.send(answer, by="bob"))
    assert (identity.input_client_id, identity.step_client_id) == ("bob", "zoe")
    assert talk.identify(asked).step_client_id == ""


def test_an_answer_that_names_another_run_hides_no_message(talk):
    holder = talk.call_tool(talk.run(talk.ask("rm")), approval=True)
    other = talk.ask("more", parent=holder)
    talk.answer(other, "sure")
    before = [key for key, *_ in talk.conversation.shown()]
    stray = talk.client.approval(
        message_id=holder,
        run_id=talk.conversation.run_for_input(other.input_id).run_id,
        tool_call_id="call",
        approved=True,
        parent=holder,
    )
    talk.send(stray)
    assert [key for key, *_ in talk.conversation.shown()] == before


def test_a_prompt_ends_before_the_message_that_is_regenerated(talk):
    asked = talk.ask("hi")
    first = talk.answer(asked, "one")
    again = talk.send(talk.client.regenerate(first, parent=first))  # a client that hangs it lower
    shown = talk.conversation.prompt_entries(talk.identify(again))
    assert [message.text for _, message in shown] == ["hi"]


def test_a_cycle_of_parents_ends_the_walk(talk):
    asked = talk.ask("x", parent="m-loop")
    identity = RunIdentity(
        run_id="r", invocation_id="i", input_id=asked.input_id, output_parent=asked.input_id
    )
    assert len(talk.conversation.prompt_entries(identity)) == 1
    assert talk.conversation.run_of("nobody") is None
    assert talk.conversation.message("nobody") is None
    assert talk.conversation.messages_of("nobody") == []


def test_a_prompt_that_reaches_back_needs_older_history(talk):
    asked = talk.ask("two", parent="not read yet")
    assert talk.conversation.needs_older(talk.identify(asked))
    assert not talk.conversation.needs_older(talk.identify(talk.ask("one")))
    unread = RunIdentity(run_id="r", invocation_id="i", input_id="x", output_parent="y")
    assert talk.conversation.needs_older(unread)


def test_a_run_whose_process_died_is_adopted_as_it_was(talk):
    asked = talk.ask("x")
    encoder = talk.run(asked)
    run_id = encoder.identity.run_id
    talk.put(encoder.encode(c.Start(message_id="a")))
    for words in ("half", "more"):
        attempt(talk, encoder, *text(words))
    trigger, identity = talk.conversation.adopt(run_id, new_id=lambda: "fresh")
    assert trigger.input_id == asked.input_id
    assert (identity.run_id, identity.input_id) == (run_id, asked.input_id)
    assert identity.invocation_id == encoder.identity.invocation_id
    assert identity.message_id == encoder.message_id
    assert identity.steps == (f"{identity.invocation_id}-plan",)
    assert identity.adopts
    assert [message.text for message in talk.conversation.prompt(identity)] == ["x"]
    assert [message.text for _, message in talk.conversation.prompt_entries(identity)] == ["x"]


def test_only_a_run_that_is_under_way_and_known_is_adopted(talk):
    asked = talk.ask("x")
    assert talk.conversation.adopt("nobody", new_id=str) is None
    assert talk.conversation.adopt(asked.input_id, new_id=str) is None
    encoder = talk.run(asked)
    silent = talk.conversation.adopt(encoder.identity.run_id, new_id=str)[1]
    assert (silent.message_id, silent.steps) == (None, ())
    talk.put(encoder.suspend())
    assert talk.conversation.adopt(encoder.identity.run_id, new_id=str) is None


def test_a_run_whose_question_was_not_read_is_not_adopted_yet(talk):
    from chat_transport.codecs.ably.ai_transport import Conversation

    encoder = talk.run(talk.ask("x"))
    late = Conversation()
    for inbound in talk.channel.history():
        if inbound.name != "ai-input":
            late.feed(inbound, live=False)
    assert late.adopt(encoder.identity.run_id, new_id=str) is None
