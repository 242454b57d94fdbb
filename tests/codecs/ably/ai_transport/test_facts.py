from __future__ import annotations

import itertools

import pytest

from chat_transport.codecs.ably.ai_transport.facts import (
    LifecycleFact,
    RunFacts,
    StepFacts,
    attempt_of,
    lifecycle_fact,
    steers_of,
)


def fact(serial, event, invocation="i1", **more):
    return LifecycleFact(serial=serial, event=event, invocation_id=invocation, **more)


def state(*facts):
    run = RunFacts()
    for known in facts:
        run.add(known)
    return run.state


def test_the_newest_message_tells_the_state_in_any_order():
    life = [
        fact("1", "start"),
        fact("2", "suspend"),
        fact("3", "resume", "i2"),
        fact("4", "end", "i2", reason="cancelled"),
    ]
    for count, expected in enumerate(["active", "suspended", "active", "ended"], 1):
        for order in itertools.permutations(life[:count]):
            assert state(*order) == expected


def test_a_suspend_that_comes_after_another_invocation_resumed_is_ignored():
    assert state(fact("1", "start"), fact("2", "resume", "i2"), fact("3", "suspend")) == "active"


def test_an_ended_run_stays_ended_and_keeps_its_reason():
    run = RunFacts()
    for known in (
        fact("3", "end", reason="error", error_code=5, error_message="x"),
        fact("4", "resume", "i2"),
    ):
        run.add(known)
    assert (run.state, run.reason, run.error_code, run.error_message) == ("ended", "error", 5, "x")


def test_of_two_invocations_that_end_the_later_counts_in_any_order():
    ends = [
        fact("3", "end", "i2", reason="error", error_code=5, error_message="x"),
        fact("4", "suspend", "i3"),
        fact("5", "end", "i3", reason="complete"),
    ]
    for order in itertools.permutations(ends):
        run = RunFacts()
        for known in order:
            run.add(known)
        assert (run.state, run.reason, run.error_code) == ("ended", "complete", None)


def test_the_newest_step_says_whom_the_run_is_attributed_to():
    run = RunFacts()
    assert run.step_client_id == ""
    run.steps["b"] = StepFacts(canonical="2", client_id="bob")
    run.steps["a"] = StepFacts(canonical="1", client_id="alice")
    run.steps["c"] = StepFacts(canonical="3")
    assert run.step_client_id == "bob"


def test_only_the_newest_attempt_of_a_step_counts():
    run = RunFacts(steps={"s": StepFacts(canonical="2")})
    assert run.is_void(("s", "1"))
    assert not run.is_void(("s", "2"))
    assert not run.is_void(("other", "1"))
    assert not run.is_void(None)


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({}, 104008, "agent reported an error"),
        ({"error-code": "104008", "error-message": "x"}, 104008, "x"),
        ({"error-code": "nonsense"}, 104008, "agent reported an error"),
    ],
)
def test_a_failed_run_always_has_a_code_and_a_text(headers, code, message):
    read = lifecycle_fact("end", "1", {"run-reason": "error", **headers})
    assert (read.reason, read.error_code, read.error_message) == ("error", code, message)


def test_an_end_without_a_known_reason_is_complete():
    assert lifecycle_fact("end", "1", {}).reason == "complete"
    assert lifecycle_fact("end", "1", {"run-reason": "new"}).reason == "complete"
    assert lifecycle_fact("start", "1", {"error-code": "1"}).error_code is None


def test_an_attempt_needs_step_and_serial():
    assert attempt_of({"step-id": "s", "step-start-serial": "1"}) == ("s", "1")
    assert attempt_of({"step-id": "s"}) is None


def test_a_malformed_stamp_names_no_steers():
    assert steers_of('["a", 7, "b"]') == ["a", "b"]
    assert steers_of('{"a": 1}') == steers_of("[") == steers_of(None) == []


def test_of_two_processes_that_begin_a_run_the_first_has_it() -> None:
    facts = RunFacts()
    first = lifecycle_fact("start", "1", {"invocation-id": "i"})
    again = lifecycle_fact("start", "3", {"invocation-id": "other"})
    facts.add(lifecycle_fact("suspend", "2", {"invocation-id": "i"}))
    facts.add(again)
    facts.add(first)
    assert (facts.state, facts.invocation_id) == ("suspended", "i")
    assert facts.is_announced(first)
    assert not facts.is_announced(lifecycle_fact("resume", "4", {"invocation-id": "i"}))
