from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_transport.agent.smoothing import ChunkSmoother, smooth
from chat_transport.chunks import ABSENT, Finish, ReasoningDelta, TextDelta, TextEnd, UIMessageChunk
from chat_transport.testing.vectors import run_case


def fed(smoother: ChunkSmoother, *chunks: UIMessageChunk) -> list[UIMessageChunk]:
    return [ready for chunk in chunks for ready in smoother.feed(chunk)]


def delta(text: str, block: str = "t") -> TextDelta:
    return TextDelta(id=block, delta=text)


def test_recorded_deltas_are_smoothed_as_in_ai_sdk(ui_vectors: Path):
    cases = json.loads((ui_vectors / "smooth.json").read_text())
    assert {case["name"]: problem for case in cases if (problem := run_case("smooth", case))} == {}


def test_another_block_flushes_what_is_held():
    found = fed(
        ChunkSmoother(), delta("ab"), delta("cd", "u"), ReasoningDelta(id="u", delta="e"), Finish()
    )
    assert found == [delta("ab"), delta("cd", "u"), ReasoningDelta(id="u", delta="e"), Finish()]


def test_a_detector_must_give_a_beginning():
    smoother = ChunkSmoother(lambda text: text[:2] if len(text) >= 2 else None)
    assert fed(smoother, delta("abcde")) == [delta("ab"), delta("cd")]
    assert smoother.flush() == [delta("e")]
    with pytest.raises(ValueError, match="'z' is not the beginning"):
        ChunkSmoother(lambda _: "z").feed(delta("ab"))


def test_an_empty_match_waits():
    assert fed(ChunkSmoother(re.compile("x*")), delta("ab")) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="ab \n_", max_size=6), max_size=10))
def test_no_text_is_lost_or_changed(texts: list[str]):
    for chunking in ("word", "line", re.compile("_")):
        found = fed(ChunkSmoother(chunking), *map(delta, texts), TextEnd(id="t"))  # type: ignore[arg-type]
        assert "".join(chunk.delta for chunk in found if isinstance(chunk, TextDelta)) == "".join(
            texts
        )


@pytest.mark.anyio
async def test_a_stream_is_smoothed_to_its_last_word_and_closed():
    closed: list[bool] = []

    async def source() -> AsyncGenerator[UIMessageChunk, None]:
        try:
            yield delta("one two ")
            yield delta("three")
        finally:
            closed.append(True)

    with anyio.fail_after(5):
        found = [chunk async for chunk in smooth(source(), delay_s=None)]
        assert found == [delta("one "), delta("two "), delta("three")]
        assert len([chunk async for chunk in smooth(source(), delay_s=0.0001)]) == 3
    assert closed == [True, True]


def test_every_piece_carries_the_metadata_of_its_delta():
    marked = TextDelta(id="t", delta="c d e", provider_metadata={"v": {"a": 1}})
    empty = TextDelta(id="t", delta="", provider_metadata={"v": {"a": 2}})
    found = fed(ChunkSmoother(), delta("ab"), marked, empty, delta("f "))
    assert [(chunk.delta, chunk.provider_metadata is not ABSENT) for chunk in found if isinstance(chunk, TextDelta)] == [
        ("ab", False), ("c ", True), ("d ", True), ("e", True), ("", True), ("f ", False),
    ]  # fmt: skip
