"""What one can set: limits, retention and namespaces, with their units and Ably's values.

Source: broker limits as ably.com/docs/platform/pricing/limits gives them, read 2026-08.
"""

from __future__ import annotations

import msgspec

__all__ = ["Limits", "Namespace"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that bound what the broker takes and keeps. Times are in milliseconds."""

    max_message_size: int = 65536
    """Bytes of name, clientId, data and extras of one publish."""
    max_frame_size: int = 524288
    """Bytes of one outbound frame; larger sets are split."""
    max_messages_per_frame: int = 999
    """Messages in one publish; their index has three digits."""
    max_aggregate_size: int = 393_216
    """Bytes that a message may grow to by appends: as base64 it still fits into one frame."""
    aggregate_counts: bool = False
    """Whether an append that makes the whole message exceed `max_message_size` is refused."""
    connection_state_ttl_ms: int = 120_000
    """How long a dropped connection can be resumed."""
    max_idle_interval_ms: int = 15_000
    """A heartbeat is sent when nothing else was for nearly this long."""
    remain_present_ms: int = 15_000
    """How long members of a dropped connection stay present."""
    stream_retention_ms: int = 3_600_000
    """How far back a channel can be resumed. Ably: 120,000 without persistence."""
    history_retention_ms: int = 24 * 3_600_000
    """How long messages are kept."""
    history_count: int = 10_000
    """Messages kept for each channel."""
    history_bytes: int = 64 * 1024 * 1024
    """Bytes of messages and of stream entries kept for each channel."""
    app_bytes: int = 512 * 1024 * 1024
    """Bytes of all channels of an app; above it the largest channels forget their oldest."""
    channels_per_app: int = 50_000
    """Channels that exist at once in an app."""
    apps: int = 1000
    """Apps that exist at once; more are not provisioned."""
    versions_per_message: int = 200
    """Versions kept for each message; the first always is."""
    history_limit: int = 1000
    """Items on one page."""
    rewind_limit: int = 100
    """Messages that a rewind gives at most."""
    replay_limit: int = 10_000
    """Entries that an attach with a channelSerial replays at most."""
    members_per_channel: int = 200
    """Presence members of one channel."""
    channels_per_connection: int = 200
    """Attachments of one connection."""
    outbound_bytes: int = 4 * 1024 * 1024
    """Bytes queued for one socket; more cut it, and resume heals it."""
    remembered_results: int = 2000
    """Publish results kept for each connection, to answer re-sent frames."""
    remembered_ids: int = 10_000
    """Client-given message ids kept for each channel."""
    idle_channel_ms: int = 300_000
    """A channel with nothing in it is forgotten after this time."""
    rate_per_second: int = 0
    """Messages a second on one channel and one connection; 0 means no limit. Ably: 50."""
    until_attach_window_ms: int = 0
    """How long after an attach history until it is answered; 0 is for ever. Ably: 120,000."""
    append_rollup_ms: int = 0
    """Window that merges appends of one message; 0 is off. Ably: 40."""


class Namespace(msgspec.Struct, frozen=True, rename="camel"):
    """The rules of channels whose name begins with `id:`."""

    id: str
    persisted: bool = False
    mutable_messages: bool = False
    authenticated: bool = False


OPEN = Namespace("", persisted=True, mutable_messages=True)
"""What holds for channels of no declared namespace: everything works, as a developer wants."""
