"""The page's code runs as it stands, block after block in one namespace."""

from __future__ import annotations

import re
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from chat_transport.chunks import DataChunk, Finish, Start, TextDelta
from chat_transport.codecs.ui_stream import UIStreamDecoder
from chat_transport.reducer import MessageReducer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "write-a-reply.md"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # the page's own asserts run here
    return names


@pytest.mark.anyio
async def test_the_handler_writes_what_the_page_says(page: dict[str, Any]):
    with anyio.fail_after(5):
        async with aclosing(page["handler"](SimpleNamespace(messages=[]))) as chunks:
            found = [chunk async for chunk in chunks]
    assert found[0] == DataChunk(type="data-status", data={"step": "looking up"}, transient=True)
    assert isinstance(found[1], Start)
    assert isinstance(found[-1], Finish)
    reducer = MessageReducer(message_id="m")
    for chunk in found:
        reducer.feed(chunk)
    assert reducer.message.text == "Let me see. Oslo: 4 degrees."


@pytest.mark.anyio
async def test_the_body_is_a_ui_message_stream(page: dict[str, Any]):
    decoder = UIStreamDecoder(unknown="refuse")
    with anyio.fail_after(5):
        chunks = [chunk async for data in page["body"]() for chunk in decoder.feed(data)]
    assert decoder.done
    assert isinstance(chunks[-1], Finish)


@pytest.mark.anyio
async def test_deltas_come_out_as_words(page: dict[str, Any]):
    async def source():
        yield TextDelta(id="t", delta="a b c")

    with anyio.fail_after(5):
        found = [chunk.delta async for chunk in page["smoothed"](source())]
    assert found == ["a ", "b ", "c"]
