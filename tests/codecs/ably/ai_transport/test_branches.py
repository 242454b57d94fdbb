from __future__ import annotations

import pytest


@pytest.fixture
def edited(talk):
    """A first turn, and a second whose question was edited once."""
    one = talk.answer(talk.ask("one"), "first")
    two = talk.ask("two", parent=one)
    talk.answer(two, "second")
    again = talk.ask("two, edited", parent=one, fork_of=two.input_id)
    talk.answer(again, "second, again")
    return talk, two.input_id, again.input_id


def test_the_newest_edit_is_shown_with_its_answer(edited):
    talk, two, again = edited
    assert talk.texts == ["one", "first", "two, edited", "second, again"]
    for message_id in (two, again):
        found = talk.conversation.branches(message_id)
        assert [message.text for message in found.siblings] == ["two", "two, edited"]
        assert found.index == 1


def test_another_edit_can_be_chosen(edited):
    talk, two, again = edited
    assert talk.conversation.select(again, 0)
    assert talk.texts == ["one", "first", "two", "second"]
    assert talk.conversation.branches(two).index == 0
    assert not talk.conversation.select(again, 2)
    assert not talk.conversation.select("nobody", 0)


def test_a_regenerated_answer_takes_the_place_of_the_first(talk):
    asked = talk.ask("joke")
    first = talk.answer(asked, "one")
    again = talk.send(talk.client.regenerate(first, parent=asked.input_id))
    second = talk.answer(again, "two")
    assert talk.texts == ["joke", "two"]
    found = talk.conversation.branches(second)
    assert [message.text for message in found.siblings] == ["one", "two"]
    talk.conversation.select(second, 0)
    assert talk.texts == ["joke", "one"]
    assert talk.conversation.branches(first).index == 0


def test_a_message_that_is_not_the_first_of_its_run_can_be_regenerated(talk):
    encoder = talk.run(talk.ask("go"))
    ids = [talk.say(encoder, text) for text in ("a", "b", "c")]
    talk.put(encoder.end())
    again = talk.send(talk.client.regenerate(ids[1], parent=ids[0]))
    talk.answer(again, "B")
    assert talk.texts == ["go", "a", "B"]  # and what came after it gives way
    found = talk.conversation.branches(ids[1])
    assert ([m.text for m in found.siblings], found.index) == (["b", "B"], 1)
    shown = talk.conversation.entries()[-1].message_id
    assert talk.conversation.branches(shown) == found
    talk.conversation.select(shown, 0)
    assert talk.texts == ["go", "a", "b", "c"]


def test_two_questions_after_one_message_are_not_alternatives(talk):
    first = talk.answer(talk.ask("one"), "first")
    for text in ("a", "b"):
        talk.ask(text, parent=first)
    assert talk.texts == ["one", "first", "a", "b"]
    assert len(talk.conversation.branches(first).siblings) == 1


def test_runs_without_a_parent_have_nothing_in_common(talk):
    import dataclasses

    from chat_transport.codecs.ably.ai_transport import ui_run_encoder

    identity = talk.identify(talk.ask("x"))
    for number in (1, 2):
        orphan = dataclasses.replace(identity, run_id=f"r{number}", parent=None, output_parent=None)
        encoder = ui_run_encoder(orphan, new_id=talk.new_id)
        talk.put(encoder.start())
        talk.say(encoder, f"orphan {number}")
    assert talk.texts == ["x", "orphan 1", "orphan 2"]


def test_an_edit_of_something_unknown_stands_alone(talk):
    asked = talk.ask("x", fork_of="nobody", parent="nothing")
    assert talk.texts == ["x"]
    assert talk.conversation.branches(asked.input_id).index == 0
    assert talk.conversation.branches("nobody") is None
