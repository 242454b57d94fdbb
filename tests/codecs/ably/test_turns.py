from __future__ import annotations

import pytest

from chat_transport.codecs.ably.operations import Inbound
from chat_transport.codecs.ably.turns import GrownText


def delivery(action, version, data):
    return Inbound(action=action, serial="1", version=version, name="x", data=data)


@pytest.fixture
def texts():
    return GrownText()


def test_text_grows_by_appends_and_by_updates_that_extend_it(texts):
    stream = texts.open(delivery("create", "1", ""), {"id": "t"})
    assert texts.known("1") is stream
    assert texts.advance(delivery("append", "1:1", "a"), stream) == ("a", False)
    assert texts.advance(delivery("update", "1:3", "abc"), stream) == ("bc", False)
    assert texts.advance(delivery("append", "1:2", "b"), stream) is None
    assert stream.text == "abc"


def test_an_update_that_does_not_extend_the_text_replaces_it(texts):
    stream = texts.open(delivery("update", "1:1", "so far"), {"id": "t"})
    assert texts.advance(delivery("update", "1:2", "other"), stream) == ("other", True)
    assert stream.text == "other"


def test_other_actions_and_data_say_nothing(texts):
    stream = texts.open(delivery("create", "1", None), {})
    assert texts.advance(delivery("delete", "1:1", ""), stream) is None
    assert texts.advance(delivery("append", "1:2", {"a": 1}), stream) == ("", False)
