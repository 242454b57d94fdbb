from __future__ import annotations

from chat_transport.testing.fixtures import normalised
from chat_transport.testing.tampering import tampered

GOLDEN = [
    {"type": "start", "messageId": "m"},
    {"type": "start-step"},
    {"type": "text-start", "id": "0"},
    {"type": "text-delta", "id": "0", "delta": "a"},
    {"type": "text-delta", "id": "0", "delta": "b"},
    {"type": "text-end", "id": "0", "providerMetadata": {"p": {"cites": [{"n": 1}, True]}}},
    {"type": "finish-step"},
    {"type": "finish", "finishReason": "stop", "messageMetadata": {"usage": 1}},
]


def test_each_change_is_a_different_one_and_is_seen():
    changes = [normalised(chunks) for _, chunks in tampered(GOLDEN)]
    assert normalised(GOLDEN) not in changes
    assert all(changes.count(one) == 1 for one in changes)


def test_words_chunks_reasons_and_metadata_are_changed():
    names = [name for name, _ in tampered(GOLDEN)]
    assert "no text-end at 5" in names
    assert "twice text-delta at 3" in names
    assert "other delta of text-delta at 4" in names
    assert "other providerMetadata.p.cites.0.n of text-end at 5" in names
    assert "finish interrupted" in names
    assert "finish stop" not in names
    assert "a strange file" in names
    assert not any("messageMetadata" in name or "start at 0" in name for name in names)


def test_the_golden_chunks_themselves_are_left_alone():
    before = [dict(chunk) for chunk in GOLDEN]
    assert len(list(tampered(GOLDEN))) == 29
    assert before == GOLDEN
