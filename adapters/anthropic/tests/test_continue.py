from __future__ import annotations

from chat_transport_anthropic._continue import Said


def test_a_delta_whose_block_was_lost_is_left_out():
    said = Said()
    lost = {"type": "content_block_delta", "index": 0}
    said.feed(lost | {"delta": {"type": "text_delta", "text": "a"}})
    assert said.blocks() == []
    said.feed({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}})
    said.feed(lost | {"delta": {"type": "text_delta", "text": "b"}})
    assert said.blocks() == [{"type": "text", "text": "b"}]
