from __future__ import annotations

import pytest

from chat_transport.errors import NotSupported, RequestRejected
from chat_transport.inputs import SendMessages
from chat_transport.messages import FilePart, TextPart, UIMessage


def test_without_a_message_there_is_nothing_to_ask(ends):
    with pytest.raises(RequestRejected, match="there is no message"):
        ends.client.encode(SendMessages(chat_id="c", messages=[]))


def test_there_are_no_branches(ends):
    ends.ask("hi")
    (message,) = ends.client.messages()
    assert ends.client.branches(message.id).siblings == [message]
    with pytest.raises(NotSupported, match="no branches"):
        ends.client.select(message.id, 1)


def test_nothing_older_is_needed_to_ask(ends):
    request = SendMessages(chat_id="c", messages=[UIMessage.user("hi", id="u")])
    assert not ends.client.needs_older(request)


def test_a_stop_names_the_prompt(ends):
    asked = ends.ask("hi")
    _, speaker = ends.begin(asked)
    ends.say(speaker, "yes")
    (ref,) = ends.client.active_runs()
    ends.put([ends.client.cancel(ref).publish], by="alice")
    assert ends.agent.is_cancelled(ends.agent.resolve(asked.event_id))


def test_what_was_said_so_far_is_given_in_few_chunks(ends):
    _, speaker = ends.begin(ends.ask("hi"))
    ends.say(speaker, "yes")
    (ref,) = ends.client.active_runs()
    assert [chunk.type for chunk in ends.client.reply(ref)] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
    ]


@pytest.mark.parametrize("name", ["message-per-response", "message-per-token"])
def test_prompts_are_text(make_ends, name):
    ends = make_ends(name)
    file = UIMessage.user("x", id="u", files=[FilePart(media_type="a/b", url="https://x")])
    with pytest.raises(NotSupported, match="text prompts only"):
        ends.client.encode(SendMessages(chat_id="c", messages=[file]))


def test_an_agents_message_that_answers_nothing_is_refused(make_ends):
    ends = make_ends("message-per-response")
    reply = UIMessage(id="a", role="assistant", parts=[TextPart(text="x")])
    with pytest.raises(RequestRejected, match="no call in it waits"):
        ends.client.encode(SendMessages(chat_id="c", messages=[reply]))
