"""The runner on a made-up API: what counts as equal, as listed, and as failed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from chat_transport.chunks import File, TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.provider_stream import sse_chunks
from chat_transport.step import StepDecoder
from chat_transport.testing.fixtures import (
    check_fixtures,
    cut_faults,
    load_recordings,
    normalised,
    replay,
)
from chat_transport.testing.replay import Recipe, Recording

pytestmark = pytest.mark.anyio


class Words(StepDecoder):
    def decode(self, event: Any) -> list[UIMessageChunk]:
        if "stop" in event:
            self.finish_reason = "stop"
            return [TextEnd(id="x")]
        delta = TextDelta(id="x", delta=event["word"])
        return [delta] if self.is_open(TextStart, "x") else [TextStart(id="x"), delta]


class Adapter(ModelAdapter):
    def __init__(self, url: str) -> None:
        self.port = int(url.rpartition(":")[2])

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        decoder = Words()
        async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
            await stream.send(b"GET / HTTP/1.1\r\n\r\n")
            body = b""
            while not body.endswith(b"\r\n0\r\n\r\n"):
                body += await stream.receive()
        frames = body.partition(b"\r\n\r\n")[2]
        pieces = b""
        while frames:
            size, _, frames = frames.partition(b"\r\n")
            pieces += frames[: int(size, 16)]
            frames = frames[int(size, 16) + 2 :]

        async def once() -> AsyncGenerator[bytes, None]:
            yield pieces

        async for chunk in sse_chunks(once(), decoder):
            yield chunk
        for chunk in decoder.end():
            yield chunk


RECIPES = {
    "words": Recipe(
        content_type="text/event-stream",
        frame=lambda event: b"data: " + event.encode() + b"\n\n",
        adapter=lambda url, _recording: Adapter(url),
        decoder=lambda _recording: Words(),
        requests={"words": lambda messages: {"say": messages[0].text}},
    )
}
EVENTS = [{"word": "a"}, {"word": "é"}, {"stop": 1}]
GOLDEN = [
    {"type": "start", "messageId": "m"},
    {"type": "start-step"},
    {"type": "text-start", "id": "0"},
    {"type": "text-delta", "id": "0", "delta": "a"},
    {"type": "text-delta", "id": "0", "delta": "é"},
    {"type": "text-end", "id": "0"},
    {"type": "finish-step"},
    {"type": "finish", "finishReason": "stop", "messageMetadata": {"totalUsage": {}}},
]


def write(path: Path, lines: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "words" / "one.jsonl", EVENTS)
    write(tmp_path / "golden" / "words" / "one.ui.jsonl", GOLDEN)
    (tmp_path / "golden" / "words").joinpath("readme").touch()
    return tmp_path


async def check(folder: Path, golden: str | None = "golden") -> tuple[bool, list[str]]:
    lines: list[str] = []
    _, failed = await check_fixtures(
        folder,
        folder / golden if golden is not None else None,
        write=lines.append,
        recipes=RECIPES,
    )
    return failed == 0, lines


async def test_what_equals_the_golden_chunks_passes(folder: Path):
    passed, lines = await check(folder)
    assert passed
    assert lines[0].startswith(
        "words: 1 passed (1 equal, 0 equal with option, 0 listed differences), 0 failed"
    )
    assert lines[-1] == "1 passed, 0 failed"


async def test_without_golden_chunks_a_recording_is_only_replayed(folder: Path):
    passed, lines = await check(folder, None)
    assert passed
    assert "1 more replayed without golden chunks" in lines[0]
    assert lines[-1] == "1 passed, 0 failed"


async def test_one_apis_folder_is_enough(folder: Path):
    lines: list[str] = []
    golden = folder / "golden" / "words"
    words = folder / "words"
    assert await check_fixtures(words, golden, write=lines.append, recipes=RECIPES) == (1, 0)
    assert lines[-1] == "1 passed, 0 failed"


async def test_other_chunks_fail_with_the_first_difference(folder: Path):
    other = [chunk | {"delta": "b"} if chunk.get("delta") == "a" else chunk for chunk in GOLDEN]
    write(folder / "golden" / "words" / "one.ui.jsonl", other)
    passed, lines = await check(folder)
    assert not passed
    assert lines[0].startswith("FAILED words/one: chunk 2: ours")
    assert lines[-1] == "0 passed, 1 failed"


async def test_a_listed_difference_passes_and_is_named(folder: Path):
    write(folder / "words" / "one.jsonl", EVENTS[:2])
    golden = [
        chunk | ({"finishReason": "interrupted"} if chunk["type"] == "finish" else {})
        for chunk in GOLDEN
        if chunk["type"] != "text-end"
    ]
    write(folder / "golden" / "words" / "one.ui.jsonl", golden)
    passed, lines = await check(folder)
    assert passed
    assert lines[0] == "listed words/one: closes-open-parts (17.1)"


async def test_a_crash_fails_one_recording(folder: Path):
    write(folder / "words" / "two.jsonl", [{"neither": 1}])
    passed, lines = await check(folder)
    assert not passed
    assert lines[0] == (
        "FAILED words/two: the provider sent an event of an unexpected form: KeyError 'word'"
    )
    assert lines[-1] == "1 passed, 1 failed"


async def test_requests_beside_the_golden_chunks_are_compared_too(folder: Path):
    message = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    write(
        folder / "requests" / "golden" / "01.json",
        [{"messages": [message], "requests": {"words": {"say": "Hi"}}}],
    )
    passed, lines = await check(folder)
    assert passed
    assert lines[-1] == "2 passed, 0 failed"


def test_recordings_know_their_request_and_provider(folder: Path):
    (folder / "words" / "one.request.json").write_text('{"model": "m"}')
    row = {"file": "words/one.jsonl", "golden_provider": "p"}
    (folder / "manifest.json").write_text(json.dumps([row]))
    (recording,) = [one for one in load_recordings(folder) if one.api == "words"]
    assert (recording.request, recording.provider) == ({"model": "m"}, "p")
    assert len(recording.events) == 3


def test_cuts_after_every_event_obey_the_grammar(folder: Path):
    (recording,) = load_recordings(folder / "words")
    assert list(cut_faults(RECIPES["words"], recording)) == []


def test_ids_are_numbered_and_error_classes_dropped():
    chunks = [
        {"type": "text-start", "id": "z"},
        {"type": "text-end", "id": "z"},
        {"type": "text-start", "id": "z"},
        {"type": "tool-output-denied", "toolCallId": "q"},
        {"type": "error", "errorText": "AI_APICallError: no"},
    ]
    assert normalised(chunks) == [
        {"type": "text-start", "id": "text-1"},
        {"type": "text-end", "id": "text-1"},
        {"type": "text-start", "id": "text-2"},
        {"type": "tool-output-denied", "toolCallId": "call-1"},
        {"type": "error", "errorText": "no"},
    ]


class Pictures(Adapter):
    """Shows more than the AI SDK does."""

    async def stream(
        self, messages: Sequence[UIMessage], **_: Any
    ) -> AsyncGenerator[UIMessageChunk, None]:
        async for chunk in super().stream(messages):
            yield chunk
            if isinstance(chunk, TextEnd):
                yield File(url="data:image/png;base64,eA==", media_type="image/png")


async def test_what_equals_with_the_option_alone_is_counted_apart(folder: Path):
    write(folder / "words" / "one.jsonl", [EVENTS[0] | {"of": "data:image/png"}, *EVENTS[1:]])
    recipe = replace(RECIPES["words"], adapter=lambda url, _recording: Pictures(url))
    counts: list[str] = []
    for compat in (None, lambda url, _recording: Adapter(url), recipe.adapter):
        lines: list[str] = []
        known = {"words": replace(recipe, compat=compat)}
        sums = await check_fixtures(folder, folder / "golden", write=lines.append, recipes=known)
        assert sums == (1, 0)
        counts.append(lines[0])
    assert counts == [
        "listed words/one: images-are-files (17.5)",
        'equal with compat="ai-sdk" words/one: images-are-files (17.5)',
        "listed words/one: images-are-files (17.5)",
    ]


async def test_recordings_without_a_recipe_are_told(folder: Path):
    write(folder / "nobody" / "one.jsonl", EVENTS)
    _, lines = await check(folder)
    assert "nobody: not replayed, no installed adapter has a recipe for it (1 recordings)" in lines


async def test_what_the_option_says_is_replayed(folder: Path):
    (recording,) = [one for one in load_recordings(folder) if one.api == "words"]
    asked: list[str] = []

    def adapter(url: str, _recording: Recording) -> Adapter:
        asked.append(url)
        return Adapter(url)

    recipe = replace(RECIPES["words"], compat=adapter)
    assert await replay(recipe, recording, compat=True) == await replay(recipe, recording)
    assert len(asked) == 1
