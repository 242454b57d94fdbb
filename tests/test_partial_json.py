from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport._partial_json import parse_partial_json, repair_json
from chat_transport.chunks import ABSENT

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ('{"a', "{}"),
        ('{"a":"x\\', '{"a":"x"}'),
        ('{"a":"\\u12', '{"a":""}'),
        ("[1,-", "[1]"),
        ('{"a":tr', '{"a":true}'),
        ('{"a":1}}', '{"a":1}'),
        ('{"a\\"b', "{}"),
    ],
)
def test_text_is_cut_at_its_last_sound_place_and_closed(text: str, repaired: str):
    assert repair_json(text) == repaired


def test_complete_json_is_read_as_it_is():
    assert parse_partial_json('{"a":1}') == ({"a": 1}, "successful-parse")


@pytest.mark.parametrize("text", ["", " ", "-", "{'a':1}", '{"n":1.}', '{"__proto__":1}'])
def test_what_means_nothing_is_absent(text: str):
    assert parse_partial_json(text) == (ABSENT, "failed-parse")


@settings(max_examples=200, deadline=None)
@given(json_values, st.data())
def test_every_beginning_of_json_is_read_without_error(value: object, data: st.DataObject):
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(text)))
    found = parse_partial_json(text[:cut])
    if cut == len(text) and "__proto__" not in text:
        assert found == (value, "successful-parse")
    elif isinstance(value, dict | list) and cut > 0 and "__proto__" not in text:
        assert type(found.value) is type(value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]",:\\u12tfn-.e ', max_size=30))
def test_no_text_is_too_strange(text: str):
    assert parse_partial_json(text).state in {"successful-parse", "repaired-parse", "failed-parse"}


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ('"x\\uZZ', '"x"'),
        ('{"a":1e+3', '{"a":1}'),
        ("[1,true{", "[1,true]"),
        ("[1.5}", "[1.5]"),
        ('["x"y', '["x"y]'),
        ('{"a\\":1', '{"a\\":1}'),
    ],
)
def test_oddities_of_ai_sdk_are_kept(text: str, repaired: str):
    """Found by comparing 140,000 random texts with ai 7.0.173: no other difference is left."""
    assert repair_json(text) == repaired
