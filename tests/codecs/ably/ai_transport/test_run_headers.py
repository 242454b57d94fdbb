from __future__ import annotations

from chat_transport.codecs.ably.ai_transport.run_headers import (
    RunIdentity,
    Step,
    lifecycle_headers,
    output_headers,
    step_headers,
)

RUN = RunIdentity(
    run_id="r",
    invocation_id="i",
    input_id="m",
    run_client_id="alice",
    input_client_id="bob",
    output_parent="p",
)
OF_RUN = {
    "run-id": "r",
    "run-client-id": "alice",
    "invocation-id": "i",
    "input-client-id": "bob",
}


def test_a_run_says_whose_it_is_and_what_it_answers():
    assert lifecycle_headers(RUN) == OF_RUN | {"input-codec-message-id": "m"}


def test_an_attempt_names_its_serial_once_it_has_one():
    step = Step("i-plan", "bob")
    assert step_headers(RUN, step) == OF_RUN | {"step-id": "i-plan", "step-client-id": "bob"}
    step.serial = "7"
    assert step_headers(RUN, step)["step-start-serial"] == "7"


def test_an_output_names_its_message_its_attempt_and_what_it_answers():
    plain = output_headers(RUN, "a", step=None, steers=())
    assert plain == lifecycle_headers(RUN) | {
        "role": "assistant",
        "codec-message-id": "a",
        "parent": "p",
    }
    step = Step("i-plan", "bob", serial="7")
    assert output_headers(RUN, "a", step=step, steers=("s",)) == plain | {
        "step-id": "i-plan",
        "step-client-id": "bob",
        "step-start-serial": "7",
        "steer-codec-message-ids": '["s"]',
    }
