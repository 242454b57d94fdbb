"""Whom an input concerns, and what it asks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chat_transport.chunks import (
    FinishStep,
    Start,
    TextDelta,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
)
from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.ai_transport.input_encoder import InputEncoder
from chat_transport.codecs.ably.operations import Append, Inbound, Publish
from chat_transport.messages import UIMessage
from chat_transport.transports.ably.ai_transport.agent import AiTransportAgent
from chat_transport.transports.ably.wire import Act, RunRef


class Chat:
    """An agent's end, and a channel that brings it what others and itself say."""

    def __init__(self) -> None:
        ids = (f"id{number}" for number in itertools.count())
        self.new_id = lambda: next(ids)
        self.wire = AiTransportAgent(self.new_id)
        self.client = InputEncoder(new_id=self.new_id, client_id="ann")
        self._serials = (f"{number:04d}" for number in itertools.count())
        self._keys: dict[str, str] = {}

    def inbound(self, message: Any, by: str, serial: str | None = None) -> Inbound:
        serial = serial or next(self._serials)
        return Inbound(
            action="create",
            serial=serial,
            version=serial,
            name=message.name,
            data=message.data,
            extras=message.extras,
            client_id=by,
        )

    def put(self, encoded: Any, by: str = "ann") -> Any:
        for message in encoded.operation.messages:
            self.wire.feed(self.inbound(message, by), live=True)
        return encoded

    def play(self, operations: Any) -> None:
        for operation in operations:
            if isinstance(operation, Publish):
                for message in operation.messages:
                    made = self.inbound(message, "agent")
                    if operation.key is not None:
                        self._keys[operation.key] = made.serial
                    self.wire.feed(made, live=True)
            elif isinstance(operation, Append):
                serial = self._keys[operation.key]
                self.wire.feed(
                    Inbound(
                        action="append",
                        serial=serial,
                        version=next(self._serials),
                        data=operation.data,
                        extras=operation.extras,
                        client_id="agent",
                    ),
                    live=True,
                )

    def say(self, text: str = "hi", **links: Any) -> Any:
        return self.put(self.client.user_message(UIMessage.user(text, id=text), **links))

    def serve(self, event_id: str, *chunks: Any) -> tuple[Any, Any]:
        task = self.wire.resolve(event_id)
        assert task is not None
        speaker = self.wire.speaker(task)
        self.play(speaker.start())
        for chunk in chunks:
            self.play(speaker.encode(chunk))
        return task, speaker


CALL = ToolInputAvailable(tool_call_id="c1", tool_name="rm", input={})
ASK = ToolApprovalRequest(approval_id="a1", tool_call_id="c1")


def test_a_question_becomes_a_task_with_its_prompt() -> None:
    chat = Chat()
    sent = chat.say()
    assert chat.wire.knows(sent.event_id)
    assert not chat.wire.lacks_run(sent.event_id)
    task = chat.wire.resolve(sent.event_id)
    assert task is not None
    assert (task.trigger, task.owner, task.continues) == ("submit-message", "ann", False)
    assert task.ref.input_id == sent.input_id
    assert not chat.wire.needs_older(task)
    assert chat.wire.answered_by(task) is None
    assert [m.text for m in chat.wire.prompt(task)] == ["hi"]


def test_a_prompt_that_begins_elsewhere_needs_older_history() -> None:
    chat = Chat()
    sent = chat.say(parent="far-away")
    task = chat.wire.resolve(sent.event_id)
    assert task is not None
    assert chat.wire.needs_older(task)
    unread = chat.put(chat.client.regenerate("gone", parent="far-away"))
    task = chat.wire.resolve(unread.event_id)
    assert task is not None
    assert chat.wire.needs_older(task)


def test_an_input_that_is_answered_names_its_run() -> None:
    chat = Chat()
    sent = chat.say()
    task, _ = chat.serve(sent.event_id)
    again = chat.wire.resolve(sent.event_id)
    assert again is not None
    assert chat.wire.answered_by(again) == task.ref.run_id
    assert [ref.run_id for ref in chat.wire.active_runs()] == [task.ref.run_id]


def test_regenerate_names_the_message_that_is_replaced() -> None:
    chat = Chat()
    sent = chat.say()
    task, speaker = chat.serve(
        sent.event_id, Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta="x")
    )
    chat.play(speaker.end("complete"))
    again = chat.put(chat.client.regenerate(speaker.message_id or "id3", parent=sent.input_id))
    found = chat.wire.conversation.run(task.ref.run_id)
    assert found is not None
    resolved = chat.wire.resolve(again.event_id)
    assert resolved is not None
    assert resolved.trigger == "regenerate-message"
    assert [m.role for m in chat.wire.prompt(resolved)] == ["user"]


def waiting() -> tuple[Chat, Any, str]:
    chat = Chat()
    sent = chat.say("rm")
    task, speaker = chat.serve(sent.event_id, Start(message_id="a1"), CALL, ASK, FinishStep())
    message_id = chat.wire.conversation.entries()[-1].message_id
    chat.play(speaker.suspend())
    return chat, task, message_id


def answer(chat: Chat, task: Any, message_id: str, call: str = "c1") -> Any:
    return chat.client.approval(
        message_id=message_id, run_id=task.ref.run_id, tool_call_id=call, approved=True
    )


def test_an_approval_goes_on_with_the_run_once() -> None:
    chat, task, message_id = waiting()
    sent = chat.put(answer(chat, task, message_id))
    resumed = chat.wire.resolve(sent.event_id)
    assert resumed is not None
    assert resumed.continues
    assert resumed.ref == RunRef(run_id=task.ref.run_id, input_id=message_id, message_id="a1")
    assert chat.wire.answered_by(resumed) is None
    chat.serve(sent.event_id)
    assert chat.wire.answered_by(resumed) == task.ref.run_id


def test_an_answer_to_some_of_the_calls_is_no_task_yet() -> None:
    chat = Chat()
    sent = chat.say("rm")
    other = ToolInputAvailable(tool_call_id="c2", tool_name="rm", input={})
    ask_other = ToolApprovalRequest(approval_id="a2", tool_call_id="c2")
    task, speaker = chat.serve(sent.event_id, Start(message_id="a1"), CALL, ASK, other, ask_other)
    message_id = chat.wire.conversation.entries()[-1].message_id
    chat.play(speaker.suspend())
    first = chat.put(answer(chat, task, message_id, "c1"))
    assert chat.wire.resolve(first.event_id) is None
    second = chat.put(answer(chat, task, message_id, "c2"))
    assert chat.wire.resolve(second.event_id) is not None


def test_a_word_to_an_active_run_is_no_task() -> None:
    chat = Chat()
    task, _ = chat.serve(chat.say().event_id)
    steer = chat.say("left", run_id=task.ref.run_id)
    assert chat.wire.resolve(steer.event_id) is None
    assert chat.wire.resolve("never heard of") is None


def test_an_answer_about_an_unread_run_lacks_it() -> None:
    chat = Chat()
    sent = chat.put(
        chat.client.approval(message_id="m", run_id="r", tool_call_id="c", approved=True)
    )
    assert chat.wire.lacks_run(sent.event_id)
    assert not chat.wire.lacks_run("never heard of")
    assert chat.wire.resolve(sent.event_id) is None


def test_a_cancel_newer_than_the_trigger_counts() -> None:
    chat = Chat()
    chat.put(chat.client.cancel(input_id="other"))
    sent = chat.say()
    task = chat.wire.resolve(sent.event_id)
    assert task is not None
    assert not chat.wire.is_cancelled(task)
    chat.put(chat.client.cancel(input_id=sent.input_id))
    assert chat.wire.is_cancelled(task)


def test_acts_name_what_is_wanted_and_of_whom() -> None:
    chat, task, message_id = waiting()
    run_id = task.ref.run_id

    def act(encoded: Any, by: str = "eve") -> Act | None:
        return chat.wire.act(chat.inbound(encoded.operation.messages[0], by))

    client = chat.client
    message = UIMessage.user("x", id="x")
    assert act(client.user_message(message)) == Act(kind="start")
    assert act(answer(chat, task, message_id)) == Act(kind="approve", run_id=run_id, owner="ann")
    result = client.tool_result(message_id=message_id, run_id=run_id, tool_call_id="c1", output=1)
    assert act(result) == Act(kind="answer", run_id=run_id, owner="ann")
    steer = client.user_message(message, run_id=run_id)
    assert act(steer) == Act(kind="steer", run_id=run_id, owner="ann")
    by_run = Act(kind="cancel", run_id=run_id, owner="ann")
    assert act(client.cancel(run_id=run_id)) == by_run
    assert act(client.cancel(input_id=task.ref.input_id)) == by_run


def test_acts_about_what_is_not_known_say_so() -> None:
    chat = Chat()
    sent = chat.say()

    def act(encoded: Any) -> Act | None:
        return chat.wire.act(chat.inbound(encoded.operation.messages[0], "eve"))

    cancel = act(chat.client.cancel(input_id=sent.input_id))
    assert cancel == Act(kind="cancel", owner="ann")
    unknown = act(chat.client.cancel(input_id="m", run_id="r"))
    assert unknown == Act(kind="cancel", run_id="r", is_known=False)
    about = chat.client.tool_result(message_id="m", run_id="r", tool_call_id="c", output=1)
    assert act(about) == Act(kind="answer", run_id="r", is_known=False)


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_users_do_not_speak_in_another_role(role: Any) -> None:
    chat = Chat()
    forged = chat.client.user_message(UIMessage(id="x", role=role, parts=[]))
    assert chat.wire.act(chat.inbound(forged.operation.messages[0], "eve")) is None


def test_what_agents_say_and_foreign_messages_are_told_apart() -> None:
    chat = Chat()
    chat.say()
    speech = Inbound(
        action="create", serial="9", version="9", name=h.OUTPUT, extras=h.envelope({"run-id": "r"})
    )
    assert chat.wire.act(speech) == Act(kind="speak", run_id="r")
    bare = Inbound(action="append", serial="9", version="91", data="x")
    assert chat.wire.act(bare) == Act(kind="speak")
    foreign = Inbound(action="create", serial="8", version="8", name="app")
    assert chat.wire.act(foreign) is None


def test_an_orphan_is_closed_stream_by_stream_and_ended() -> None:
    chat = Chat()
    sent = chat.say()
    task, speaker = chat.serve(
        sent.event_id, Start(message_id="a1"), TextStart(id="t"), TextDelta(id="t", delta="x")
    )
    closed = TextStart(id="u")
    chat.play(speaker.encode(closed))
    chat.play(speaker._streams.cancel_all()[1:])  # u is closed, t is open
    (ref,) = chat.wire.active_runs()
    orphan = chat.wire.orphan(ref, "error")
    ((serial, message),) = orphan.appends
    assert serial == list(chat._keys.values())[1]  # after the begin of the run
    headers = h.transport_headers(message.extras) or {}
    assert (headers[h.STATUS], headers[h.STREAM_ID], message.data) == ("cancelled", "t", "")
    ((ending,),) = [publish.messages for publish in orphan.publish]
    told = h.transport_headers(ending.extras) or {}
    assert ending.name == h.RUN_END
    assert (told[h.RUN_REASON], told[h.RUN_ID]) == ("error", task.ref.run_id)
    assert told[h.INPUT_ID] == sent.input_id
    (gentle,) = chat.wire.orphan(ref, "cancelled").publish
    assert (h.transport_headers(gentle.messages[0].extras) or {})[h.RUN_REASON] == "cancelled"


def test_only_a_waiting_run_can_be_ended_from_outside() -> None:
    chat, task, message_id = waiting()
    found = chat.wire.suspended(RunRef(run_id=None, input_id=task.ref.input_id))
    assert found is not None
    assert found.run_id == task.ref.run_id
    assert chat.wire.suspended(RunRef(run_id="gone", input_id="gone")) is None
    sent = chat.put(answer(chat, task, message_id))
    chat.serve(sent.event_id)
    assert chat.wire.suspended(RunRef(run_id=task.ref.run_id, input_id=None)) is None
