from __future__ import annotations

import itertools

import pytest

from chat_transport.codecs.ably.ai_transport.run_headers import RunIdentity
from chat_transport.codecs.ably.ai_transport.steps import StepWriter
from chat_transport.codecs.ably.operations import OutboundMessage, Publish
from chat_transport.errors import LocalProtocolError

IDENTITY = RunIdentity(run_id="r", invocation_id="i", input_id="in")


@pytest.fixture
def steps():
    numbers = itertools.count(1)
    return StepWriter(IDENTITY, lambda: f"k{next(numbers)}", "user")


def say(name):
    return lambda: [Publish(messages=(OutboundMessage(name=name),))]


def names(operations):
    return [operation.messages[0].name for operation in operations]


def headers(operation):
    return operation.messages[0].extras["ai"]["transport"]


def test_a_step_is_begun_under_its_place_and_ended_with_the_serial_of_its_begin(steps):
    (begun,) = steps.begin()
    assert begun.await_serial
    assert headers(begun)["step-id"] == "i-step-0"
    assert steps.take_serial(begun.key, "s1")
    (ended,) = steps.end("failed")
    assert names([begun, ended]) == ["ai-step-start", "ai-step-end"]
    assert headers(ended)["step-start-serial"] == "s1"
    assert headers(ended)["step-reason"] == "failed"
    assert steps.end("complete") == []


def test_what_follows_a_begin_is_held_until_its_serial_is_known_and_comes_in_order(steps):
    assert names(steps.when_ready(say("now"))) == ["now"]
    (begun,) = steps.begin()
    assert steps.when_ready(say("third")) == []
    steps.hold_first(say("first"), say("second"))
    assert not steps.take_serial("another", "s1")
    assert steps.take_serial(begun.key, "s1")
    assert names(steps.released()) == ["first", "second", "third"]
    assert steps.released() == []


def test_held_work_that_begins_a_step_holds_the_rest(steps):
    (begun,) = steps.begin()
    steps.when_ready(lambda: [*steps.end("complete"), *steps.begin()])
    steps.when_ready(say("later"))
    steps.take_serial(begun.key, "s1")
    assert names(steps.released()) == ["ai-step-end", "ai-step-start"]
    assert steps.take_serial(steps.awaiting, "s2")
    assert names(steps.released()) == ["later"]


def test_one_step_at_a_time(steps):
    steps.begin("a")
    with pytest.raises(LocalProtocolError, match="step 'a' is open"):
        steps.begin("b")


def test_a_step_is_attributed_to_whoever_was_named_last(steps):
    (first,) = steps.begin(client_id="other")
    steps.end("complete")
    (second,) = steps.begin()
    assert [headers(each)["step-client-id"] for each in (first, second)] == ["other", "other"]


def test_what_a_dead_process_tried_stays_untried_until_it_is_begun(steps):
    steps.leave_untried(("a", "b"))
    steps.begin("a")
    assert steps.untried == "b"
    steps.end("complete")
    steps.begin("b")
    assert steps.untried is None
