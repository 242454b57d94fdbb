from __future__ import annotations

import pytest

from chat_transport.chunks import ABSENT
from chat_transport.errors import RemoteProtocolError
from chat_transport.reducer._message_state import MessageState
from chat_transport.reducer._reply_state import ReplyState, refuse


def _state() -> ReplyState:
    return ReplyState(
        message=MessageState("m"), replays=False, resets_on_id_change=False,
        open_text={}, open_reasoning={}, inputs={},
    )  # fmt: skip


def test_refusing_names_the_chunk():
    with pytest.raises(RemoteProtocolError, match="why") as raised:
        refuse("text-delta", "t", "why")
    assert raised.value.data == {"chunkType": "text-delta", "chunkId": "t"}


def test_metadata_counts_only_if_there_is_any():
    state = _state()
    assert not state.merge(ABSENT)
    assert not state.merge(None)
    assert state.merge({"a": 1})
    assert state.message.snapshot().metadata == {"a": 1}


def test_beginning_anew_keeps_only_the_id():
    state = _state()
    state.finish_reason = "stop"
    state.begin_anew("n")
    assert state.finish_reason is None
    assert state.message.snapshot().id == "n"
