from __future__ import annotations

from chat_transport.broker.settings import OPEN, Limits, Namespace


def test_what_the_cloud_publishes_is_the_default():
    limits = Limits()
    assert (limits.max_message_size, limits.max_frame_size) == (65536, 524288)
    assert (limits.connection_state_ttl_ms, limits.max_idle_interval_ms) == (120_000, 15_000)
    assert (limits.rewind_limit, limits.history_limit, limits.members_per_channel) == (
        100,
        1000,
        200,
    )
    assert limits.max_aggregate_size * 4 / 3 <= limits.max_frame_size


def test_a_declared_namespace_can_nothing_unless_it_says_so():
    assert (OPEN.persisted, OPEN.mutable_messages) == (True, True)
    plain = Namespace("x")
    assert (plain.persisted, plain.mutable_messages, plain.authenticated) == (False, False, False)
