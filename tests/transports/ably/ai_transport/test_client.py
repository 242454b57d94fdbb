"""What a request means on the wire."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chat_transport.codecs.ably.ai_transport import headers as h
from chat_transport.codecs.ably.operations import Inbound
from chat_transport.errors import RequestRejected
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.transports.ably.ai_transport.client import AiTransportClient
from chat_transport.transports.ably.wire import Outgoing, RunRef


class Chat:
    """A client, and a channel that says it back."""

    def __init__(self, *, forks_results: bool = False) -> None:
        ids = (f"id{number}" for number in itertools.count())
        self.wire = AiTransportClient(
            client_id="ann", new_id=lambda: next(ids), forks_results=forks_results
        )
        self._serials = itertools.count()

    def send(self, *messages: UIMessage, **settings: Any) -> list[Outgoing]:
        return list(
            self.wire.encode(SendMessages(chat_id="c", messages=list(messages), **settings))
        )

    def hear(self, outgoing: Outgoing) -> Outgoing:
        for message in outgoing.publish.messages:
            self.feed(message.name, message.data, message.extras)
        return outgoing

    def feed(self, name: str, data: Any, extras: Any) -> None:
        serial = f"{next(self._serials):04d}"
        self.wire.feed(
            Inbound(
                action="create", serial=serial, version=serial, name=name, data=data, extras=extras
            ),
            live=True,
        )

    def reply(self, input_id: str, message_id: str, *kinds: tuple[dict[str, str], Any]) -> None:
        """Let an agent say discrete things in run `r-<message_id>`."""
        run = {h.RUN_ID: f"r-{message_id}", h.INPUT_ID: input_id, h.INVOCATION_ID: "i"}
        self.feed(h.RUN_START, None, h.envelope({**run, h.PARENT: input_id}))
        for codec, data in kinds:
            headers = {
                **run,
                h.ROLE: "assistant",
                h.MESSAGE_ID: message_id,
                h.PARENT: input_id,
                h.STREAM: "false",
            }
            self.feed(h.OUTPUT, data, h.envelope(headers, codec))

    def headers(self, outgoing: Outgoing) -> dict[str, str]:
        return dict(h.transport_headers(outgoing.publish.messages[0].extras) or {})


def user(text: str, ident: str) -> UIMessage:
    return UIMessage.user(text, id=ident)


def started(message_id: str) -> tuple[dict[str, str], str]:
    return {h.KIND: "start", "messageId": message_id}, ""


CALL = ({h.KIND: "tool-input", "toolCallId": "c1", "toolName": "rm"}, {})
ASK = ({h.KIND: "tool-approval-request", "toolCallId": "c1", "approvalId": "a1"}, "")


def test_the_first_message_has_no_parent_and_the_next_follows_the_reply() -> None:
    chat = Chat()
    (first,) = chat.send(user("hi", "u1"))
    assert h.PARENT not in chat.headers(first)
    chat.hear(first)
    chat.reply(first.input_id, "m2", started("a1"))
    known = list(chat.wire.messages())
    (second,) = chat.send(*known, user("more", "u2"))
    assert chat.headers(second)[h.PARENT] == "m2"
    assert [m.id for m in known] == ["u1", "a1"]


def test_a_message_after_an_unknown_one_follows_what_is_last() -> None:
    chat = Chat()
    (first,) = chat.send(user("hi", "u1"))
    chat.hear(first)
    request = SendMessages(chat_id="c", messages=[user("own", "x"), user("more", "u2")])
    assert chat.wire.needs_older(request)
    (second,) = chat.wire.encode(request)
    assert chat.headers(second)[h.PARENT] == first.input_id


def test_older_history_is_needed_only_for_what_is_named_and_unknown() -> None:
    chat = Chat()
    (first,) = chat.send(user("hi", "u1"))
    chat.hear(first)
    for request, needs in [
        (SendMessages(chat_id="c", messages=[user("x", "u2")]), False),
        (SendMessages(chat_id="c", messages=[user("hi", "u1"), user("x", "u2")]), False),
        (SendMessages(chat_id="c", messages=[user("x", "u9")], message_id="u9"), True),
        (SendMessages(chat_id="c", messages=[UIMessage(id="a", role="assistant", parts=[])]), True),
    ]:
        assert chat.wire.needs_older(request) is needs


def test_an_edit_forks_at_the_message_it_replaces() -> None:
    chat = Chat()
    (first,) = chat.send(user("hi", "u1"))
    chat.hear(first)
    chat.reply(first.input_id, "m2", started("a1"))
    (second,) = chat.send(*chat.wire.messages(), user("more", "u2"))
    chat.hear(second)
    (edited,) = chat.send(*chat.wire.messages()[:2], user("less", "u2"), message_id="u2")
    headers = chat.headers(edited)
    assert (headers[h.FORK_OF], headers[h.PARENT]) == (second.input_id, "m2")


@pytest.mark.parametrize("message_id", [None, "a1", "u1"])
def test_regenerate_names_the_answer_and_what_is_before_it(message_id: str | None) -> None:
    chat = Chat()
    (first,) = chat.send(user("hi", "u1"))
    chat.hear(first)
    chat.reply(first.input_id, "m2", started("a1"))
    (again,) = chat.send(user("hi", "u1"), trigger="regenerate-message", message_id=message_id)
    headers = chat.headers(again)
    assert (headers[h.REGENERATES], headers[h.PARENT]) == ("m2", first.input_id)


def approving() -> tuple[Chat, UIMessage]:
    chat = Chat()
    (first,) = chat.send(user("rm", "u1"))
    chat.hear(first)
    chat.reply(first.input_id, "m2", started("a1"), CALL, ASK)
    return chat, chat.wire.messages()[-1]


def with_call(message: UIMessage, **fields: Any) -> UIMessage:
    wire = message.to_wire()
    wire["parts"][-1].update(fields)
    return UIMessage.model_validate(wire)


def test_an_approval_is_found_in_the_message() -> None:
    chat, message = approving()
    answered = with_call(
        message,
        state="approval-responded",
        approval={"id": "a1", "approved": False, "reason": "risky"},
    )
    (answer,) = chat.send(answered)
    codec = h.codec_headers(answer.publish.messages[0].extras)
    assert codec == {
        h.KIND: "tool-approval-response",
        "toolCallId": "c1",
        "approved": "false",
        "reason": "risky",
    }
    headers = chat.headers(answer)
    assert (answer.input_id, headers[h.RUN_ID], headers[h.PARENT]) == ("m2", "r-m2", "m2")


def test_an_approval_is_found_in_an_earlier_message_that_the_request_names() -> None:
    chat, message = approving()
    answered = with_call(
        message, state="approval-responded", approval={"id": "a1", "approved": True}
    )
    (answer,) = chat.send(answered, user("and now", "u2"), message_id=answered.id)
    codec = h.codec_headers(answer.publish.messages[0].extras)
    assert codec[h.KIND] == "tool-approval-response"


@pytest.mark.parametrize(
    ("fields", "kind", "data"),
    [
        ({"state": "output-available", "output": 7}, "tool-result", {"output": 7}),
        ({"state": "output-error", "errorText": "no"}, "tool-result-error", {"message": "no"}),
    ],
)
def test_a_tool_output_is_found_in_the_message(fields: Any, kind: str, data: Any) -> None:
    chat = Chat()
    (first,) = chat.send(user("geo", "u1"))
    chat.hear(first)
    chat.reply(first.input_id, "m2", started("a1"), CALL)
    (answer,) = chat.send(with_call(chat.wire.messages()[-1], **fields))
    (message,) = answer.publish.messages
    assert h.codec_headers(message.extras)[h.KIND] == kind
    assert message.data == data


OTHER = ({h.KIND: "tool-input", "toolCallId": "c2", "toolName": "geo"}, {})


def two_calls(chat: Chat) -> UIMessage:
    """Give a message with an approval answered (c1) and a client's result (c2)."""
    (first,) = chat.send(user("both", "u1"))
    chat.hear(first)
    chat.reply(first.input_id, "m2", started("a1"), CALL, ASK, OTHER)
    wire = chat.wire.messages()[-1].to_wire()
    wire["parts"][1] |= {"state": "approval-responded", "approval": {"id": "a1", "approved": True}}
    wire["parts"][2] |= {"state": "output-available", "output": 7}
    return UIMessage.model_validate(wire)


def seed_ids(outgoing: Outgoing) -> list[str]:
    data = outgoing.publish.messages[0].data
    return [each["codecMessageId"] for each in data["forkSeed"]["messages"]]


def test_answers_go_to_the_run_that_waits() -> None:
    chat = Chat()
    approval, result = chat.send(two_calls(chat))
    assert (approval.input_id, result.input_id) == ("m2", "m2")
    assert chat.headers(result)[h.RUN_ID] == "r-m2"


def test_answers_that_were_not_sent_go_before_the_next_prompt() -> None:
    chat = Chat()
    answered = two_calls(chat)
    approval, result, prompt = chat.send(answered, user("and now", "u2"))
    assert [approval.wakes, result.wakes, prompt.wakes] == [False, True, False]
    assert {chat.headers(each)[h.RUN_ID] for each in (approval, result)} == {"r-m2"}
    assert chat.headers(prompt)[h.PARENT] == "m2"
    for each in (approval, result):
        chat.hear(each)
    assert len(chat.send(answered, user("and now", "u2"))) == 1, "they are sent once"


def test_a_prompt_follows_the_copy_that_unsent_results_bring() -> None:
    chat = Chat(forks_results=True)
    result, approval, prompt = chat.send(two_calls(chat), user("and now", "u2"))
    assert chat.headers(prompt)[h.PARENT] == result.input_id == approval.input_id


def test_as_javascript_they_are_given_in_a_copy_of_the_run() -> None:
    chat = Chat(forks_results=True)
    result, approval = chat.send(two_calls(chat))
    assert seed_ids(result) == [result.input_id] == [approval.input_id]
    assert result.input_id != "m2"
    for each in (result, approval):
        headers = chat.headers(each)
        assert headers[h.SUPERSEDES] == "r-m2"
        assert headers[h.ROLE] == "assistant"
        assert h.RUN_ID not in headers


def test_a_run_that_ended_is_copied_whatever_the_setting() -> None:
    chat = Chat()
    answered = two_calls(chat)
    chat.feed(h.RUN_END, None, h.envelope({h.RUN_ID: "r-m2", h.RUN_REASON: "complete"}))
    result, approval = chat.send(answered)
    assert chat.headers(result)[h.SUPERSEDES] == "r-m2"
    assert approval.input_id == result.input_id
    chat.hear(result)
    chat.hear(approval)
    with pytest.raises(RequestRejected, match="no call in it waits"):
        chat.send(answered)  # its place is taken


def test_an_unanswered_approval_and_unknown_calls_are_no_answer() -> None:
    chat, message = approving()
    with pytest.raises(RequestRejected, match="no call in it waits"):
        chat.send(message)
    text = UIMessage.model_validate(
        {"id": "a1", "role": "assistant", "parts": [{"type": "text", "text": "x"}]}
    )
    with pytest.raises(RequestRejected, match="no call in it waits"):
        chat.send(text)
    with pytest.raises(RequestRejected, match="no call in it waits"):
        chat.send(with_call(message, toolCallId="c9", state="output-available", output=1))


@pytest.mark.parametrize(
    ("messages", "settings", "words"),
    [
        ([], {}, "there is no message"),
        ([UIMessage(id="s", role="system", parts=[])], {}, "only a user asks"),
        ([], {"trigger": "regenerate-message"}, "no answer yet"),
        ([], {"trigger": "regenerate-message", "message_id": "gone"}, "not in the chat"),
    ],
)
def test_nonsense_is_refused_with_words(messages: Any, settings: Any, words: str) -> None:
    with pytest.raises(RequestRejected, match=words) as raised:
        Chat().send(*messages, **settings)
    assert raised.value.status == 400


def test_a_cancel_names_run_and_input() -> None:
    chat = Chat()
    headers = chat.headers(chat.wire.cancel(RunRef(run_id="r", input_id="m")))
    assert (headers[h.RUN_ID], headers[h.INPUT_ID]) == ("r", "m")


def test_branches_can_be_asked_and_chosen() -> None:
    chat = Chat()
    (first,) = chat.send(user("hi", "u1"))
    chat.hear(first)
    (edited,) = chat.send(user("bye", "u1"), message_id="u1")
    chat.hear(edited)
    branches = chat.wire.branches("u1")
    assert ([m.text for m in branches.siblings], branches.index) == (["hi", "bye"], 1)
    chat.wire.select("u1", 0)
    assert [m.text for m in chat.wire.messages()] == ["hi"]
    with pytest.raises(RequestRejected, match="alternative 5"):
        chat.wire.select("u1", 5)
    with pytest.raises(RequestRejected, match="not in the chat"):
        chat.wire.branches("gone")
