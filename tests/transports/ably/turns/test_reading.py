from __future__ import annotations

from chat_transport.codecs.ably.operations import Inbound


def test_a_reply_is_told_under_the_input_that_it_answers(ends):
    asked = ends.ask("hi")
    _, speaker = ends.begin(asked)
    ends.say(speaker, "yes")
    spoken = [heard for heard in ends.heard if heard is not None and heard.chunks]
    assert {heard.ref.input_id for heard in spoken} == {asked.input_id}
    (ref,) = ends.client.active_runs()
    assert ref.input_id == asked.input_id
    assert ends.client.oldest_open() is not None
    ends.finish(speaker)
    assert ends.client.active_runs() == []
    assert ends.client.oldest_open() is None
    last = [heard for heard in ends.heard if heard is not None][-1]
    ended = [heard for heard in ends.heard if heard is not None and heard.event == "run-end"]
    assert ended[0].reason == "complete"
    assert last is not None


def test_what_another_client_said_is_told_with_its_place(ends):
    ends.ask("one")
    ends.ask("two")
    said = [heard for heard in ends.heard if heard is not None and heard.event == "input"]
    assert [heard.message.text for heard in said] == ["one", "two"]
    assert said[0].after_id is None
    assert said[1].after_id == said[0].message.id


def test_foreign_messages_say_nothing(ends):
    foreign = Inbound(action="create", serial="1", version="1", name="chat", data="x")
    assert ends.client.feed(foreign, live=True) is None
