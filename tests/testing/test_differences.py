from __future__ import annotations

from copy import deepcopy

import pytest

from chat_transport.testing.differences import DIFFERENCES
from chat_transport.testing.replay import Recording


def test_every_difference_has_its_own_name_and_a_reason():
    names = [difference.name for difference in DIFFERENCES]
    assert len(set(names)) == len(names)
    assert all(len(difference.reason) > 40 for difference in DIFFERENCES)


def test_every_difference_names_the_paragraph_that_asks_for_it():
    assert all(difference.paragraph[0].isdigit() for difference in DIFFERENCES)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_words_that_differ_are_never_settled(difference):
    recording = Recording(api="openai-responses", name="n", events=[])
    ours = [{"type": "text-delta", "id": "1", "delta": "a"}]
    golden = [{"type": "text-delta", "id": "1", "delta": "b"}]
    assert difference.settle(recording, ours, golden) == ours


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_what_is_compared_is_never_rewritten_in_place(difference):
    events = ['{"type": "image_generation_call", "error": "data:image/", "executed_tools": 1}']
    recording = Recording(api="openai-chat", name="n", events=events)
    ours = [{"type": "finish-step"}, {"type": "finish", "finishReason": "error"}]
    golden = [{"type": "file"}, {"type": "error", "errorText": "no"}, *ours]
    before = deepcopy((ours, golden))
    difference.settle(recording, ours, golden)
    assert (ours, golden) == before
