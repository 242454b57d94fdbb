"""Changes in a conversation, in the shell's words."""

from __future__ import annotations

from typing import Any

from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.transports.ably.ai_transport.reading import Reading
from chat_transport.transports.ably.wire import Heard, RunRef

RUN = {h.RUN_ID: "r1", h.INPUT_ID: "m1", h.INVOCATION_ID: "i1"}


def message(serial: str, name: str, transport: dict[str, str], **rest: Any) -> Inbound:
    extras = h.envelope(transport, rest.pop("codec", None))
    return Inbound(action="create", serial=serial, version=serial, name=name, extras=extras, **rest)


def question(serial: str, ident: str, **links: str) -> Inbound:
    transport = {h.ROLE: "user", h.MESSAGE_ID: ident, h.EVENT_ID: f"e-{ident}", **links}
    codec = {h.KIND: "user-message", "messageId": f"u-{ident}", h.PART_TYPE: "text"}
    return message(serial, h.INPUT, transport, data="hi", codec=codec)


def test_a_question_is_told_with_its_message_and_place() -> None:
    reading = Reading()
    reading.feed(question("1", "m0"), live=True)
    heard = reading.feed(question("2", "m1", **{h.PARENT: "m0"}), live=True)
    assert heard is not None
    assert (heard.event, heard.event_id, heard.after_id) == ("input", "e-m1", "u-m0")
    assert heard.message is not None
    assert (heard.message.id, heard.message.text) == ("u-m1", "hi")
    assert reading.feed(question("2", "m1"), live=True) is None


def test_the_life_of_a_run_is_told() -> None:
    reading = Reading()
    reading.feed(question("1", "m1"), live=True)
    assert reading.oldest_open() is None
    start = reading.feed(message("2", h.RUN_START, RUN), live=True)
    ref = RunRef(run_id="r1", input_id="m1")
    assert start == Heard(ref=ref, event="run-start")
    assert reading.active_runs() == [ref]
    assert reading.oldest_open() == "2"
    ending = {**RUN, h.RUN_REASON: "error", h.ERROR_MESSAGE: "broke"}
    end = reading.feed(message("3", h.RUN_END, ending), live=True)
    assert end == Heard(ref=ref, event="run-end", reason="error", error_text="broke")
    assert reading.active_runs() == []


def test_a_pass_that_goes_on_with_a_message_names_it() -> None:
    reading = Reading()
    reading.feed(question("1", "m1"), live=True)
    reading.feed(message("2", h.RUN_START, RUN), live=True)
    output = {**RUN, h.ROLE: "assistant", h.MESSAGE_ID: "m2", h.STREAM: "false"}
    start = {h.KIND: "start", "messageId": "a1"}
    heard = reading.feed(message("3", h.OUTPUT, output, codec=start, data=""), live=True)
    assert heard is not None
    assert [chunk.type for chunk in heard.chunks] == ["start"]
    reading.feed(message("4", h.RUN_SUSPEND, RUN), live=True)
    resumed = reading.feed(
        message("5", h.RUN_RESUME, {**RUN, h.INPUT_ID: "m2", h.INVOCATION_ID: "i2"}), live=True
    )
    assert resumed == Heard(
        ref=RunRef(run_id="r1", input_id="m2", message_id="a1"), event="run-resume"
    )


def test_history_changes_what_is_known_and_says_nothing() -> None:
    reading = Reading()
    heard = reading.feed(
        message(
            "3",
            h.OUTPUT,
            {**RUN, h.ROLE: "assistant", h.MESSAGE_ID: "m2", h.STREAM: "false"},
            codec={h.KIND: "start", "messageId": "a1"},
            data="",
        ),
        live=False,
    )
    assert heard is not None
    assert heard.chunks == ()
    assert reading.domain_id("m2") == "a1"
    assert reading.domain_id(None) is None
    assert reading.domain_id("gone") is None
