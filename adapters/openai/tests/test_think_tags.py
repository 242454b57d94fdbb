from __future__ import annotations

from itertools import groupby

import pytest
from chat_transport_openai import OpenAIChat
from chat_transport_openai._think_tags import ThinkTags

from chat_transport.chunks import ReasoningDelta, TextDelta


def said(*pieces: str) -> list[tuple[bool, str]]:
    tags = ThinkTags()
    given = [one for piece in pieces for one in tags.feed(piece)] + tags.flush()
    groups = groupby(given, key=lambda one: one[0])
    return [(thinks, "".join(text for _, text in group)) for thinks, group in groups]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a < b</think>\n\nYes <think>", [(True, "a < b"), (False, "Yes <think>")]),
        ("\n<think>a</thin", [(True, "a</thin")]),
        ("<think></think>Yes", [(False, "Yes")]),
        ("  Yes </think>", [(False, "  Yes </think>")]),
        ("<thi", [(False, "<thi")]),
        ("Use <think>x</think>", [(False, "Use <think>x</think>")]),
        ("", []),
    ],
)
def test_reasoning_is_told_apart_wherever_the_text_is_cut(
    text: str, expected: list[tuple[bool, str]]
):
    assert said(text) == expected
    assert said(*text) == expected
    for place in range(len(text)):
        assert said(text[:place], text[place:]) == expected


def chunks_of(model: OpenAIChat) -> list[tuple[type, str]]:
    decoder = model.decoder()
    words = ["<think>", "Hm", "</think>", "\nHi"]
    frames = [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in words]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    chunks = [chunk for frame in [*frames, last] for chunk in decoder.feed(frame)]
    kinds = (ReasoningDelta, TextDelta)
    return [(type(one), one.delta) for one in [*chunks, *decoder.end()] if isinstance(one, kinds)]


def test_an_adapter_tells_reasoning_apart_only_if_asked():
    assert chunks_of(OpenAIChat("m", provider="vllm", think_tags=True)) == [
        (ReasoningDelta, "Hm"),
        (TextDelta, "Hi"),
    ]
    plain = chunks_of(OpenAIChat("m", provider="vllm"))
    assert "".join(delta for _, delta in plain) == "<think>Hm</think>\nHi"


def test_a_reply_cut_inside_a_tag_loses_no_words():
    decoder = OpenAIChat("m", provider="vllm", think_tags=True).decoder()
    chunks = decoder.feed({"choices": [{"index": 0, "delta": {"content": "<think>a</th"}}]})
    deltas = [one.delta for one in [*chunks, *decoder.end()] if isinstance(one, ReasoningDelta)]
    assert "".join(deltas) == "a</th"
