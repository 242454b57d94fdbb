from __future__ import annotations

import re
from typing import Any

from chat_transport.chat import Chat, ChatState, random_id
from chat_transport.messages import UIMessage


def test_a_chat_can_be_looked_at_before_it_is_entered(fake_transport: Any):
    said = UIMessage.user("hi", id="u")
    chat = Chat(fake_transport(), messages=[said], make_id=lambda: "made")
    assert (chat.id, chat.id) == ("made", "made")
    assert chat.state == ChatState(messages=(said,), status="ready", error=None, queued=())
    assert not chat.has_older


def test_assigning_messages_is_told(fake_transport: Any):
    chat = Chat(fake_transport())
    told: list[int] = []
    unsubscribe = chat.subscribe(lambda: told.append(len(chat.messages)))
    chat.messages = [UIMessage.user("hi", id="u")]
    unsubscribe()
    unsubscribe()
    chat.messages = []
    assert told == [1]


def test_ids_look_like_those_of_ai_sdk():
    made = {random_id() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[0-9A-Za-z]{16}", each) for each in made)
