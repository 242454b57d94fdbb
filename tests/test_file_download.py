"""Files are fetched only where it was allowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio
import pytest

from chat_transport.chunks import Finish, UIMessageChunk
from chat_transport.errors import LocalProtocolError
from chat_transport.file_download import Download, DownloadsFiles, fetch_with
from chat_transport.messages import FilePart, TextPart, UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.testing.replay import Answer, replay_server

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

    async def download(url: str) -> AsyncGenerator[bytes, None]:
        fetched.append(url)
        yield b"p"
        yield b"ng"

    inner = Model()
    model = DownloadsFiles(
        inner, download=download, hosts=["Files.example.com"], allows_private=True
    )
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


async def read(download: Download, url: str = ALLOWED, **options: Any) -> Model:
    inner = Model()
    hosts = ["files.example.com", "127.0.0.1", "localhost", "[::1]", "::1", "nowhere.invalid"]
    options = {"allows_private": True} | options
    model = DownloadsFiles(inner, download=download, hosts=hosts, **options)
    with anyio.fail_after(5):
        async for _ in model.stream([message(url)]):
            pass
    return inner


async def test_reading_stops_at_the_limit_before_the_model_is_asked():
    given: list[int] = []
    closed: list[bool] = []

    async def endless(_url: str) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                given.append(1)
                yield b"123"
        finally:
            closed.append(True)

    with pytest.raises(LocalProtocolError, match="longer than the 4 bytes allowed"):
        await read(endless, max_bytes=4)
    assert len(given) == 2
    assert closed == [True]


async def test_a_file_as_long_as_allowed_is_sent():
    async def download(_url: str) -> AsyncGenerator[bytes, None]:
        yield b"1234"

    (asked,) = (await read(download, max_bytes=4)).asked
    assert isinstance(asked.parts[1], FilePart)
    assert asked.parts[1].url.endswith("MTIzNA==")


async def test_a_file_that_does_not_come_is_given_up():
    async def download(_url: str) -> AsyncGenerator[bytes, None]:
        await anyio.sleep_forever()
        yield b""

    with pytest.raises(LocalProtocolError, match=r"within 0\.01 s"):
        await read(download, timeout_s=0.01)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_private_address_is_not_asked_even_if_its_host_was_named(host: str):
    asked: list[str] = []

    async def download(url: str) -> AsyncGenerator[bytes, None]:
        asked.append(url)
        yield b""

    with pytest.raises(LocalProtocolError, match="is not a public one"):
        await read(download, f"https://{host}/a.png", allows_private=False)
    assert asked == []
    await read(download, f"https://{host}/a.png")
    assert asked == [f"https://{host}/a.png"]


async def test_a_host_that_is_not_found_is_told():
    async def download(_url: str) -> AsyncGenerator[bytes, None]:
        yield b""

    with pytest.raises(LocalProtocolError, match=r"unable to find host 'nowhere\.invalid'"):
        await read(download, "https://nowhere.invalid/a.png", allows_private=False)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_a_client_reads_in_pieces_and_follows_no_redirect(library: str):
    httpx = pytest.importorskip(library)
    answers = (Answer(pieces=[b"ab", b"cd"]), Answer(status=302))
    async with replay_server(*answers) as server, httpx.AsyncClient() as client:
        fetch = fetch_with(client)
        with anyio.fail_after(5):
            assert b"".join([piece async for piece in fetch(f"{server.url}/a")]) == b"abcd"
            with pytest.raises(LocalProtocolError, match="answered 302"):
                async for _ in fetch(f"{server.url}/b"):
                    pass
        assert [request.path for request in server.requests] == ["/a", "/b"]


async def test_closing_closes_the_model_whose_name_it_bears():
    async def download(_url: str) -> AsyncGenerator[bytes, None]:
        yield b""

    inner = Model()
    model = DownloadsFiles(inner, download=download, hosts=[])
    await model.aclose()
    assert inner.is_closed
    assert (model.provider, model.model) == ("p", "m")
