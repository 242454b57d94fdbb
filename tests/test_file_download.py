"""Files are fetched only where it was allowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from chat_transport.chunks import Finish, UIMessageChunk
from chat_transport.errors import LocalProtocolError
from chat_transport.file_download import DownloadsFiles
from chat_transport.messages import FilePart, TextPart, UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

pytestmark = pytest.mark.anyio

ALLOWED = "https://files.example.com/a.png"


class Model(ModelAdapter):
    provider, model = "p", "m"

    def __init__(self) -> None:
        self.asked: list[UIMessage] = []
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        self.asked = list(messages)
        yield Finish()


def message(*urls: str, role: str = "user") -> UIMessage:
    files = [FilePart(media_type="image/png", url=url) for url in urls]
    return UIMessage(id="1", role=role, parts=[TextPart(text="see"), *files])


async def urls_sent(*messages: UIMessage) -> tuple[list[str], list[str]]:
    fetched: list[str] = []

    async def download(url: str) -> bytes:
        fetched.append(url)
        return b"png"

    inner = Model()
    model = DownloadsFiles(inner, download=download, hosts=["Files.example.com"])
    assert [chunk async for chunk in model.stream(messages)] == [Finish()]
    parts = [part for one in inner.asked for part in one.parts]
    return [part.url for part in parts if isinstance(part, FilePart)], fetched


async def test_a_file_of_an_allowed_host_is_sent_inline():
    assert await urls_sent(message(ALLOWED)) == (["data:image/png;base64,cG5n"], [ALLOWED])


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/a.png",
        "https://evil.files.example.com/a.png",
        "https://files.example.com@evil.example/a.png",
        "https://files.example.com.evil.example/a.png",
        "http://files.example.com/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,cG5n",
    ],
)
async def test_nothing_else_is_fetched(url: str):
    assert await urls_sent(message(url)) == ([url], [])


async def test_only_users_files_are_fetched():
    assert await urls_sent(message(ALLOWED, role="assistant")) == ([ALLOWED], [])


async def test_a_file_that_is_too_long_is_refused_before_the_model_is_asked():
    async def download(_url: str) -> bytes:
        return b"12345"

    inner = Model()
    model = DownloadsFiles(inner, download=download, hosts=["files.example.com"], max_bytes=4)
    with pytest.raises(LocalProtocolError, match="5 bytes, allowed are 4"):
        async for _ in model.stream([message(ALLOWED)]):
            pass
    assert inner.asked == []


async def test_closing_closes_the_model_whose_name_it_bears():
    async def download(_url: str) -> bytes:
        return b""

    inner = Model()
    model = DownloadsFiles(inner, download=download, hosts=[])
    await model.aclose()
    assert inner.is_closed
    assert (model.provider, model.model) == ("p", "m")
