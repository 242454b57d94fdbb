from __future__ import annotations

import pytest

from chat_transport.broker.capability import ALL, Capability, covers, pattern_matches
from chat_transport.broker.refusal import Refusal


@pytest.mark.parametrize(
    ("pattern", "channel", "is_match"),
    [
        ("*", "a", True),
        ("*", "a:b:c", True),
        ("[*]*", "a:b", True),
        ("[*]a", "a", True),
        ("[meta]*", "a", False),
        ("a", "a", True),
        ("a", "a:b", False),
        ("a:*", "a:b", True),
        ("a:*", "a:b:c", True),
        ("a:*", "a", False),
        ("a:*:c", "a:b:c", True),
        ("a:*:c", "a:b:d", False),
        ("*:b", "a:b", True),
        ("a*", "ab", False),
        ("a*", "a*", True),
        ("a:b*", "a:bc", False),
    ],
)
def test_patterns(pattern, channel, is_match):
    assert pattern_matches(pattern, channel) is is_match


def test_operations_are_a_union_over_matching_resources():
    capability = Capability.parse('{"a:*":["publish"],"a:b":["subscribe"],"c":["*"]}')
    assert capability.allows("a:b", "publish")
    assert capability.allows("a:b", "subscribe")
    assert not capability.allows("a:c", "subscribe")
    assert capability.allows("c", "history")
    capability.require("c", "history")
    with pytest.raises(Refusal, match="publish on 'd'") as caught:
        capability.require("d", "publish")
    assert (caught.value.code, caught.value.status) == (40160, 401)


def test_intersections():
    key = Capability.parse('{"a":["publish","subscribe"],"b:*":["*"],"c":["history"]}')
    asked = Capability.parse('{"a":["*"],"b:x":["publish"],"c":["publish"]}')
    both = key.intersect(asked)
    assert both.text == '{"a":["publish","subscribe"],"b:x":["publish"]}'
    assert asked.intersect(key).text == both.text
    assert ALL.intersect(key).text == key.text


def test_an_empty_intersection_is_refused():
    with pytest.raises(Refusal) as caught:
        Capability.parse('{"a":["publish"]}').intersect(Capability.parse('{"b":["publish"]}'))
    assert caught.value.code == 40160


def test_covers_is_by_pattern():
    assert covers("*", "a:*")
    assert covers("a:*", "a:b")
    assert not covers("a:b", "a:*")


@pytest.mark.parametrize("text", ["", "[]", '{"a":"publish"}', '{"a":[1]}'])
def test_what_is_no_capability_is_refused(text):
    with pytest.raises(Refusal) as caught:
        Capability.parse(text)
    assert caught.value.code == 40000


@pytest.mark.parametrize("ops", ["[]", '["publish_"]', '["*","publish"]'])
def test_a_request_may_name_known_operations_only(ops):
    with pytest.raises(Refusal):
        Capability.parse(f'{{"a":{ops}}}', known_only=True)
    Capability.parse(f'{{"a":{ops}}}')


def test_what_is_remembered_stays_bounded():
    for number in range(3000):
        ALL.allows(str(number), "publish")
    assert len(ALL._known) <= 1001
