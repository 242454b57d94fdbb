"""The inherited tests on a made-up API: green where all is well, red where something is not."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chat_transport.chunks import SourceUrl, TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter
from chat_transport.step import StepDecoder
from chat_transport.testing.recordings import RecordingSuite, SourceSuite
from chat_transport.testing.replay import Recipe

WORDS = [{"word": "a"}, {"stop": 1}]
SOURCE = {"type": "source-url", "sourceId": "s", "url": "https://a.example"}


class Words(StepDecoder):
    def decode(self, event: Any) -> list[UIMessageChunk]:
        if "stop" in event:
            self.finish_reason = "stop"
            return [TextEnd(id="x"), SourceUrl(source_id="1", url="https://a.example")]
        delta = TextDelta(id="x", delta=event["word"])
        return [delta] if self.is_open(TextStart, "x") else [TextStart(id="x"), delta]


class Leaky(Words):
    def end(self) -> list[UIMessageChunk]:
        return super().end()[-1:]


class Adapter(ModelAdapter):
    """Says what the decoder makes of the words, without a provider."""

    async def stream(
        self, messages: Sequence[UIMessage], **_: Any
    ) -> AsyncGenerator[UIMessageChunk, None]:
        decoder = Words()
        for event in WORDS:
            for chunk in decoder.feed(event):
                yield chunk
        for chunk in decoder.end():
            yield chunk


RECIPE = Recipe(
    content_type="text/event-stream",
    frame=lambda event: event.encode(),
    adapter=lambda _url, _recording: Adapter(),
    decoder=lambda _recording: Words(),
)


def suite(recipe: Recipe) -> RecordingSuite:
    made = type("Suite", (RecordingSuite,), {"recipes": {"words": recipe}})
    return made()


def write(folder: Path, golden: str, chunks: list[dict[str, Any]]) -> None:
    path = folder / "fixtures" / "_golden" / golden / "words" / "one.ui.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(chunk) + "\n" for chunk in chunks))


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "fixtures" / "words").mkdir(parents=True)
    lines = "".join(json.dumps(event) + "\n" for event in WORDS)
    (tmp_path / "fixtures" / "words" / "one.jsonl").write_text(lines)
    said = [
        {"type": "start-step"},
        {"type": "text-start", "id": "0"},
        {"type": "text-delta", "id": "0", "delta": "a"},
        {"type": "text-end", "id": "0"},
        SOURCE,
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "stop"},
    ]
    write(tmp_path, "ai-7.0.173", said)
    write(tmp_path, "ai-7.0.77", [SOURCE])
    return tmp_path


def test_an_adapter_that_keeps_to_the_recordings_passes(shared: Path):
    made = suite(replace(RECIPE, compat=RECIPE.adapter))
    made.test_recordings_give_what_the_ai_sdk_gives(shared)
    made.test_recordings_cut_after_every_event_obey_the_grammar(shared)
    made.test_with_the_option_only_broken_streams_differ(shared)


def test_other_chunks_fail(shared: Path):
    WORDS[0]["word"] = "b"
    try:
        with pytest.raises(AssertionError, match="FAILED words/one"):
            suite(RECIPE).test_recordings_give_what_the_ai_sdk_gives(shared)
    finally:
        WORDS[0]["word"] = "a"


def test_a_decoder_that_leaves_parts_open_fails(shared: Path):
    leaky = replace(RECIPE, decoder=lambda _recording: Leaky())
    with pytest.raises(AssertionError):
        suite(leaky).test_recordings_cut_after_every_event_obey_the_grammar(shared)


def test_an_empty_folder_fails(shared: Path):
    (shared / "fixtures" / "words" / "one.jsonl").unlink()
    with pytest.raises(AssertionError):
        suite(RECIPE).test_recordings_cut_after_every_event_obey_the_grammar(shared)


def test_sources_are_compared_with_the_earlier_version(shared: Path):
    made = type("Sources", (SourceSuite,), {"api": "words", "names": ("one",)})()
    made.decoder = Words
    made.test_sources_as_parts_are_those_of_the_earlier_ai_sdk(shared)
    (shared / "fixtures" / "_golden" / "ai-7.0.77" / "words" / "one.ui.jsonl").write_text("")
    with pytest.raises(AssertionError):
        made.test_sources_as_parts_are_those_of_the_earlier_ai_sdk(shared)


def test_an_adapter_that_never_asks_the_server_is_red(shared: Path):
    with pytest.raises(AssertionError, match="the server was never asked"):
        suite(RECIPE).test_leaving_closes_the_connection(shared)
