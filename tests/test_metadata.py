from __future__ import annotations

from chat_transport._metadata import merge_metadata
from chat_transport.chunks import ABSENT


def test_objects_merge_at_every_depth_and_leave_their_sources_alone():
    current = {"a": {"b": 1, "c": [1]}}
    assert merge_metadata(current, {"a": {"c": [2], "d": None}}) == {
        "a": {"b": 1, "c": [2], "d": None}
    }
    assert current == {"a": {"b": 1, "c": [1]}}


def test_null_and_absent_change_nothing():
    assert merge_metadata({"a": 1}, None) == {"a": 1}
    assert merge_metadata({"a": 1}, ABSENT) == {"a": 1}
    assert merge_metadata(ABSENT, ABSENT) is ABSENT


def test_what_is_no_object_is_replaced():
    assert merge_metadata("old", {"a": 1}) == {"a": 1}
    assert merge_metadata({"a": 1}, 5) == 5


def test_prototype_keys_are_not_taken_over():
    assert merge_metadata({"a": 1}, {"__proto__": {}, "constructor": 1, "b": 2}) == {"a": 1, "b": 2}
