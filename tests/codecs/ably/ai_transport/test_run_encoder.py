from __future__ import annotations

import dataclasses

import msgspec
import pytest

from chat_transport import chunks as c
from chat_transport.codecs.ably.ai_transport import Conversation, ui_run_encoder
from chat_transport.codecs.ably.operations import Publish
from chat_transport.errors import LocalProtocolError

TEXT = (c.Start(message_id="a1"), c.TextStart(id="t"), c.TextDelta(id="t", delta="hi"))


@pytest.fixture
def encoder(identity, new_id):
    return ui_run_encoder(identity, new_id=new_id)


def names(operations):
    return [op.messages[0].name if isinstance(op, Publish) else op.data for op in operations]


def transport(operation):
    extras = operation.messages[0].extras if isinstance(operation, Publish) else operation.extras
    return extras["ai"]["transport"]


def test_a_run_says_start_output_and_end(encoder):
    said = encoder.start()
    for chunk in (*TEXT, c.TextEnd(id="t"), c.Finish()):
        said += encoder.encode(chunk)
    said += encoder.end()
    assert names(said) == [
        "ai-run-start",
        "ai-output",
        "ai-output",
        "hi",
        "",
        "ai-output",
        "ai-run-end",
    ]
    assert transport(said[0]) == {
        "run-id": "run-1",
        "run-client-id": "alice",
        "invocation-id": "inv-1",
        "input-client-id": "alice",
        "input-codec-message-id": "m-1",
        "parent": "m-1",
    }
    assert transport(said[-1])["run-reason"] == "complete"


def test_every_output_echoes_the_trigger_and_the_message(encoder):
    encoder.start()
    (start,) = encoder.encode(c.Start())
    assert transport(start)["input-codec-message-id"] == "m-1"
    assert transport(start)["codec-message-id"] == encoder.message_id
    assert transport(start)["role"] == "assistant"


def test_a_resumed_run_says_so(identity, new_id):
    encoder = ui_run_encoder(dataclasses.replace(identity, continues=True), new_id=new_id)
    (resume,) = encoder.start()
    assert names([resume]) == ["ai-run-resume"]
    assert "parent" not in transport(resume)


@pytest.mark.parametrize("reason", ["complete", "cancelled", "error"])
def test_streams_left_open_are_cancelled_on_every_path(encoder, reason):
    encoder.start()
    for chunk in TEXT:
        encoder.encode(chunk)
    closing, end = encoder.end(reason, code=104008 if reason == "error" else None, message="m")
    assert transport(closing)["status"] == "cancelled"
    assert transport(end)["run-reason"] == reason
    assert transport(end).get("error-code") == ("104008" if reason == "error" else None)


def test_nothing_is_said_after_the_end(encoder):
    encoder.start()
    encoder.end()
    for act in (encoder.start, encoder.end, encoder.suspend, lambda: encoder.encode(c.Start())):
        with pytest.raises(LocalProtocolError, match="run 'run-1'; it is ended"):
            act()


def test_nothing_is_said_before_the_start(encoder):
    with pytest.raises(LocalProtocolError, match="it is new, not active"):
        encoder.encode(c.Start())


def test_a_run_that_never_started_can_still_be_ended(encoder):
    assert names(encoder.end("cancelled")) == ["ai-run-end"]


def test_a_suspended_run_is_over_for_this_invocation(encoder):
    encoder.start()
    assert names(encoder.suspend()) == ["ai-run-suspend"]
    with pytest.raises(LocalProtocolError, match="suspended"):
        encoder.encode(c.Start())


def test_a_step_holds_output_back_until_its_serial_is_known(encoder):
    encoder.start()
    (step,) = encoder.begin_step("plan", client_id="bob")
    assert step.await_serial
    assert encoder.encode(c.Start()) == []
    assert encoder.end_step("complete") == []
    assert encoder.acknowledged("other", "9") == []
    start, end = encoder.acknowledged(step.key, "0007")
    assert transport(start)["step-start-serial"] == "0007"
    assert transport(start)["step-client-id"] == "bob"
    assert transport(end)["step-reason"] == "complete"
    assert names([start, end]) == ["ai-output", "ai-step-end"]


def test_a_retried_step_writes_a_message_of_its_own(encoder):
    encoder.start()
    seen = []
    for serial in ("1", "2"):
        (step,) = encoder.begin_step("plan")
        encoder.acknowledged(step.key, serial)
        encoder.encode(c.Start())
        seen.append(encoder.message_id)
        encoder.end_step("failed")
    assert len(set(seen)) == 2


def test_a_step_without_a_name_tries_the_failed_one_again(encoder):
    encoder.start()
    names_given = []
    for serial, (step_id, reason) in enumerate(
        [("plan", "complete"), (None, "failed"), (None, "complete"), (None, "complete")]
    ):
        (step,) = encoder.begin_step(step_id)
        names_given.append(transport(step)["step-id"])
        encoder.acknowledged(step.key, str(serial))
        encoder.end_step(reason)
    assert names_given == ["plan", "inv-1-step-0", "inv-1-step-0", "inv-1-step-1"]


def test_steps_go_on_for_whom_the_steps_before_were(identity, new_id):
    resumed = dataclasses.replace(identity, continues=True, step_client_id="zoe")
    for given, expected in ((None, "zoe"), ("bob", "bob")):
        encoder = ui_run_encoder(resumed, new_id=new_id)
        encoder.start()
        (step,) = encoder.begin_step(client_id=given)
        assert transport(step)["step-client-id"] == expected


def test_two_steps_at_once_are_refused(encoder):
    encoder.start()
    (step,) = encoder.begin_step()
    encoder.acknowledged(step.key, "1")
    with pytest.raises(LocalProtocolError, match="step 'inv-1-step-0' is open"):
        encoder.begin_step("b")


def test_implicit_steps_bracket_each_message(identity, new_id):
    encoder = ui_run_encoder(identity, new_id=new_id, implicit_steps=True)
    said = encoder.start()
    for number, chunk in enumerate((c.Start(message_id="a"), c.Start(message_id="b"))):
        if number:
            said += encoder.next_message(steers=["s-1"])
        (step,) = encoder.encode(chunk)
        assert encoder.encode(c.StartStep()) == []
        said += [step, *encoder.acknowledged(step.key, str(number))]
    said += encoder.end()
    assert names(said) == [
        "ai-run-start",
        *["ai-step-start", "ai-output", "ai-output", "ai-step-end"] * 2,
        "ai-run-end",
    ]
    assert transport(said[6])["steer-codec-message-ids"] == '["s-1"]'
    assert transport(said[6])["step-id"] == "inv-1-step-1"


def test_order_is_kept_when_a_held_message_opens_a_step(identity, new_id):
    encoder = ui_run_encoder(identity, new_id=new_id, implicit_steps=True)
    encoder.start()
    (first,) = encoder.encode(c.Start(message_id="a"))
    encoder.next_message(message_id="m-9")
    for chunk in TEXT:
        encoder.encode(chunk)
    said = encoder.acknowledged(first.key, "1")
    second = said[-1]
    assert names(said) == ["ai-output", "ai-step-end", "ai-step-start"]
    assert names(encoder.acknowledged(second.key, "2")) == ["ai-output", "ai-output", "hi"]


def test_what_is_written_reads_as_what_was_said(encoder, channel):
    conversation = Conversation()
    chunks = [*TEXT, c.TextEnd(id="t"), c.Finish(finish_reason="stop")]
    operations = encoder.start()
    for chunk in chunks:
        operations += encoder.encode(chunk)
    read = [
        said
        for inbound in channel.take([*operations, *encoder.end()])
        if (change := conversation.feed(inbound)) is not None
        for said in change.chunks
    ]
    assert read == [chunks[0], c.StartStep(), *chunks[1:]]  # a reader puts in the missing step


def test_a_repair_heals_readers_that_heard_the_accepted_part(encoder, channel):
    conversation = Conversation()
    operations = encoder.start()
    for chunk in TEXT:
        operations += encoder.encode(chunk)
    for inbound in channel.take(operations):
        conversation.feed(inbound)
    (rejected,) = encoder.encode(c.TextDelta(id="t", delta=" lost"))
    (queued,) = encoder.encode(c.TextDelta(id="t", delta=" too"))
    assert rejected.key == queued.key
    repair = encoder.repair(rejected.key)
    after = encoder.encode(c.TextDelta(id="t", delta=" end"))
    changes = [conversation.feed(inbound) for inbound in channel.take([repair, *after])]
    assert [chunk.delta for change in changes for chunk in change.chunks] == [" lost too", " end"]
    assert not any(change.replaced for change in changes)


def test_too_large_a_payload_is_refused_before_it_is_sent(encoder):
    encoder.start()
    encoder.encode(c.Start())
    with pytest.raises(LocalProtocolError, match="'file'"):
        encoder.encode(c.File(url="data:," + "x" * 70_000, media_type="a/b"))
    assert msgspec.to_builtins(encoder.encode(c.File(url="https://x", media_type="a/b"))[0])


def test_settled_streams_are_forgotten(encoder):
    encoder.start()
    for chunk in TEXT:
        operations = encoder.encode(chunk)
    key = operations[0].key
    encoder.encode(c.TextEnd(id="t"))
    encoder.settled(key)
    assert encoder.repair(key) is None


def test_attempts_of_a_name_are_one_message_under_a_step_of_this_invocation(encoder):
    encoder.start()
    encoder.encode(c.Start(message_id="a"))
    message_id = encoder.message_id
    said = []
    for serial, reason in (("1", "failed"), ("2", "complete")):
        (begin,) = encoder.begin_attempt("plan")
        assert encoder.encode(c.StartStep()) == []
        assert encoder.end_attempt(reason) == []
        said += [begin, *encoder.acknowledged(begin.key, serial)]
    said += encoder.encode(c.Finish())
    assert names(said) == [*["ai-step-start", "ai-output", "ai-step-end"] * 2, "ai-output"]
    assert [transport(each).get("step-id") for each in said] == ["inv-1-plan"] * 6 + [None]
    assert {transport(said[at])["codec-message-id"] for at in (1, 4, 6)} == {message_id}
    assert [transport(said[at]).get("step-start-serial") for at in (1, 4, 6)] == ["1", "2", None]


def test_an_attempt_ends_an_implicit_step_and_goes_on_with_its_message(identity, new_id):
    encoder = ui_run_encoder(identity, new_id=new_id, implicit_steps=True)
    encoder.start()
    (implicit,) = encoder.encode(c.Start(message_id="a"))
    encoder.acknowledged(implicit.key, "1")
    message_id = encoder.message_id
    end, begin = encoder.begin_attempt("plan")
    assert names([end, begin]) == ["ai-step-end", "ai-step-start"]
    encoder.acknowledged(begin.key, "2")
    (said,) = encoder.encode(c.StartStep())
    assert transport(said)["codec-message-id"] == message_id


def test_what_is_said_beside_an_attempt_names_no_step(encoder):
    encoder.start()
    (begin,) = encoder.begin_attempt("plan")
    note = c.MessageMetadata(message_metadata={"a": 1})
    assert encoder.encode_beside(note) == []
    (beside,) = encoder.acknowledged(begin.key, "1")
    (inside,) = encoder.encode(c.StartStep())
    assert "step-id" not in transport(beside)
    assert transport(inside)["step-id"] == "inv-1-plan"
    assert transport(beside)["codec-message-id"] == transport(inside)["codec-message-id"]


def adopting(identity, new_id, **fields):
    from dataclasses import replace

    encoder = ui_run_encoder(replace(identity, adopts=True, **fields), new_id=new_id)
    assert encoder.start() == [], "another process has announced it"
    return encoder


def test_who_adopts_a_run_goes_on_with_its_message(identity, new_id):
    encoder = adopting(identity, new_id, message_id="m-0")
    assert encoder.encode(c.Start(message_id="a")) == [], "it has begun"
    (said,) = encoder.encode(c.StartStep())
    assert transport(said)["codec-message-id"] == "m-0"
    assert encoder.settle() == []


def test_who_adopts_a_run_that_has_said_nothing_begins_its_message(identity, new_id):
    encoder = adopting(identity, new_id)
    assert names(encoder.encode(c.Start(message_id="a"))) == ["ai-output"]


def test_steps_that_are_not_tried_again_are_taken_back_when_it_is_settled(identity, new_id):
    steps = ("inv-1-plan", "inv-1-search", "inv-1-answer")
    encoder = adopting(identity, new_id, message_id="m-0", steps=steps)
    encoder.encode(c.Start(message_id="a"))
    (begin,) = encoder.begin_attempt("answer")
    said = [begin, *encoder.acknowledged(begin.key, "1"), *encoder.end_attempt("complete")]
    (void,) = encoder.settle()
    assert encoder.encode(c.Finish()) == []
    assert encoder.end() == []
    more = encoder.acknowledged(void.key, "2")
    said += [void, *more, *encoder.acknowledged(more[-1].key, "3")]
    assert names(said) == [*["ai-step-start", "ai-step-end"] * 3, "ai-output", "ai-run-end"]
    assert [transport(said[at])["step-id"] for at in (0, 2, 4)] == [
        *("inv-1-answer", "inv-1-plan", "inv-1-search"),
    ]
    assert transport(said[6])["codec-message-id"] == "m-0"


def test_what_was_heard_before_the_first_word_is_answered_by_it(encoder):
    encoder.start()
    encoder.answer(["s-1"])
    (start,) = encoder.encode(c.Start())
    assert transport(start)["steer-codec-message-ids"] == '["s-1"]'


def test_whoever_leaves_closes_what_is_open_and_does_not_end_the_run(encoder):
    encoder.start()
    for chunk in TEXT:
        encoder.encode(chunk)
    (closing,) = encoder.leave()
    assert transport(closing)["status"] == "cancelled"
    with pytest.raises(LocalProtocolError, match="it is ended"):
        encoder.encode(c.Start())
