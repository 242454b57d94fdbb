"""The provider benchmark keeps its rows: each adapter has one, and reads its wire whole. No times here."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from chat_transport.chunks import TextDelta, TextEnd, TextStart

HERE = Path(__file__).parent
TOKENS = 7


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(HERE))
    names = ("provider_server", "provider_paths", "provider_peers")
    found = {name: __import__(name) for name in names}
    yield found
    for name in names:
        del sys.modules[name]


def test_each_adapter_has_a_row(modules: dict[str, ModuleType]):
    rows = [row for name in ("provider_paths", "provider_peers") for row in modules[name].rows()]
    names = {row.name.partition(",")[0] for row in rows if row.mapping or row.whole}
    folders = {path.parent.name for path in (HERE.parents[1] / "adapters").glob("*/pyproject.toml")}
    # The demo's model is no provider, and litellm's row is in the environment of litellm.
    assert {f"chat-transport-{name}" for name in folders - {"demo", "litellm"}} <= names


@pytest.mark.parametrize(
    ("wire", "make"),
    [
        ("responses", lambda paths: paths._openai("OpenAIResponses", aiohttp=False)),
        ("chat", lambda paths: paths._openai("OpenAIChat", aiohttp=False)),
        ("messages", lambda paths: paths._anthropic(aiohttp=False)),
        ("gemini", lambda paths: paths._gemini(aiohttp=False)),
        ("ollama", lambda paths: paths._ollama(aiohttp=False)),
    ],
)
def test_an_adapter_reads_its_wire_whole(modules: dict[str, ModuleType], wire: str, make):
    paths = modules["provider_paths"]
    decoder = make(paths)("http://127.0.0.1:9").decoder()
    body = b"".join(getattr(modules["provider_server"], wire)(TOKENS))
    events = [paths.msgspec.json.decode(line) for line in paths._data(body)]
    chunks = [chunk for event in events for chunk in decoder.feed(event)] + decoder.end()
    words = [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)]
    assert words == modules["provider_server"]._words(TOKENS)
    assert chunks[-1].finish_reason == "stop"


@pytest.mark.anyio
async def test_the_whole_path_gives_every_token(modules: dict[str, ModuleType]):
    async def handler(run: object):
        yield TextStart(id="t")
        for word in modules["provider_server"]._words(TOKENS):
            yield TextDelta(id="t", delta=word)
        yield TextEnd(id="t")

    with anyio.fail_after(5):
        async with modules["provider_paths"].served(handler) as call, aclosing(call()) as items:
            assert sum([tokens async for tokens in items]) == TOKENS
