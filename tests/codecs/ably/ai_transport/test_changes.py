from __future__ import annotations

from chat_transport.codecs.ably.ai_transport import Change


def test_a_change_without_news_is_empty():
    change = Change()
    assert (change.run_id, change.chunks, change.event, change.replaced) == (None, (), None, False)
