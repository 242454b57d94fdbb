from __future__ import annotations

from chat_transport.codecs.ably.ai_transport import headers as h


def test_an_envelope_leaves_out_an_empty_codec_tier():
    assert h.envelope({"role": "user"}) == {"ai": {"transport": {"role": "user"}}}
    assert h.envelope({"a": "b"}, {}) == {"ai": {"transport": {"a": "b"}}}


def test_a_transient_message_is_marked_beside_the_tiers():
    extras = h.envelope({"a": "b"}, {"kind": "data-x"}, ephemeral=True)
    assert extras == {
        "ai": {"transport": {"a": "b"}, "codec": {"kind": "data-x"}},
        "ephemeral": True,
    }


def test_a_message_without_our_envelope_is_foreign():
    assert h.transport_headers(None) is None
    assert h.transport_headers({"headers": {"a": "b"}}) is None
    assert h.transport_headers({"ai": "x"}) is None
    assert h.codec_headers({"ai": "x"}) == {}


def test_a_tier_of_the_wrong_shape_reads_as_empty():
    assert h.transport_headers({"ai": {"transport": 1}}) == {}
    assert h.codec_headers({"ai": {"codec": [1]}}) == {}


def test_both_tiers_are_read():
    extras = h.envelope({"role": "user"}, {"kind": "text"})
    assert h.transport_headers(extras) == {"role": "user"}
    assert h.codec_headers(extras) == {"kind": "text"}
