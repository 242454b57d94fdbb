from __future__ import annotations

import gzip
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from chat_transport.chunks import Error, Finish, TextEnd, TextStart, UIMessageChunk
from chat_transport.provider_stream import (
    ndjson_chunks,
    provider_error_text,
    sse_chunks,
    stream_step,
)
from chat_transport.step import StepDecoder

pytestmark = pytest.mark.anyio


class Words(StepDecoder):
    """Events are `{"word": ...}`."""

    def decode(self, event: Any) -> list[UIMessageChunk]:
        return [TextStart(id=event["word"]), TextEnd(id=event["word"])]


class Refused(Exception):
    body = {"error": {"message": "no key"}}  # noqa: RUF012  # as SDKs have it


class Response:
    def __init__(self, pieces: Sequence[bytes | Exception]) -> None:
        self.pieces = pieces
        self.closed = False

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Response, None]:
        try:
            yield self
        finally:
            self.closed = True


async def words(*pieces: bytes | Exception, **options: Any) -> list[UIMessageChunk]:
    stream = stream_step(Response(pieces).open(), Words(), errors=(Refused,), **options)
    return [chunk async for chunk in stream]


def told(chunks: list[UIMessageChunk]) -> list[str]:
    return [chunk.id for chunk in chunks if isinstance(chunk, TextStart)]


async def test_events_split_anywhere_are_read():
    chunks = await words(b'data: {"wo', b'rd":"a"}\n\nda', b'ta: {"word":"b"}\n\ndata: [DONE]\n\n')
    assert told(chunks) == ["a", "b"]
    assert isinstance(chunks[-1], Finish)


async def test_lines_split_anywhere_are_read():
    pieces = (b'{"word":"a"}\n\n{"wo', b'rd":', b'"b"}\n{"word":"c"}')
    assert told(await words(*pieces, read=ndjson_chunks)) == ["a", "b", "c"]


@pytest.mark.parametrize(("read", "mark"), [(sse_chunks, b"data: "), (ndjson_chunks, b"")])
async def test_broken_text_becomes_replacement_characters(read: Any, mark: bytes):
    event = mark + b'{"word":"\xff"}\n\n'
    assert told(await words(event, read=read)) == ["\ufffd"]


async def test_a_line_cut_in_the_middle_says_nothing():
    chunks = await words(b'{"word":"a"}\n{"wor', read=ndjson_chunks)
    assert told(chunks) == ["a"]
    assert not any(isinstance(chunk, Error) for chunk in chunks)


class Held:
    """An SDK's response that holds the one of the HTTP library."""

    def __init__(self, *pieces: bytes, encoding: str | None = None) -> None:
        self.http_response = self
        self.headers = {} if encoding is None else {"content-encoding": encoding}
        self.stream = Response(pieces).iter_bytes()

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        yield b'data: {"word":"decoded"}\n\n'

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Held, None]:
        yield self


@pytest.mark.parametrize(("encoding", "word"), [(None, "plain"), ("gzip", "decoded")])
async def test_a_body_is_read_below_the_sdk_unless_it_is_compressed(encoding, word):
    response = Held(b'data: {"word":"plain"}\n\n', encoding=encoding)
    stream = stream_step(response.open(), Words(), errors=(Refused,))
    assert told([chunk async for chunk in stream]) == [word]
    await response.stream.aclose()


@pytest.mark.parametrize(
    ("kind", "text"), [(OSError, "Connection error."), (TimeoutError, "Request timed out.")]
)
async def test_a_failed_connection_of_aiohttp_is_no_timeout(kind: type[Exception], text: str):
    cause = type("ClientConnectorError", (kind,), {"__module__": "aiohttp.client_exceptions"})()
    error = TimeoutError("Request timed out.")
    error.__cause__ = cause
    assert provider_error_text(error) == text


async def test_done_is_noted():
    decoder = Words()
    async for _ in sse_chunks(Response([b"data: [DONE]\n\n"]).iter_bytes(), decoder):
        pass
    assert decoder.is_done


@pytest.mark.parametrize("read", [sse_chunks, ndjson_chunks])
async def test_an_event_that_is_not_json_is_an_error(read: Any):
    frame = b"data: {oops\n\n" if read is sse_chunks else b"{oops\n"
    (error,) = await words(frame, read=read)
    assert isinstance(error, Error)
    assert "not JSON" in error.error_text


async def test_an_event_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chat_transport.provider_stream.MAX_LINE_BYTES", 10)
    (error,) = await words(b"{" * 20, read=ndjson_chunks)
    assert isinstance(error, Error)


async def test_the_providers_refusal_is_an_error_in_its_words():
    assert await words(Refused()) == [Error(error_text="no key")]


async def test_a_lost_connection_is_an_error_of_the_http_library(monkeypatch: pytest.MonkeyPatch):
    library = ModuleType("httpx2")
    library.HTTPError = type("HTTPError", (Exception,), {})  # type: ignore[attr-defined]  # a fake
    monkeypatch.setitem(sys.modules, "httpx2", library)
    chunks = await words(b'data: {"word":"a"}\n\n', library.HTTPError("cut"))
    assert [chunk.error_text for chunk in chunks if isinstance(chunk, Error)] == [
        "the connection to the provider was lost: cut"
    ]
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].finish_reason == "error"


async def test_other_errors_are_bugs_and_raised():
    with pytest.raises(ZeroDivisionError):
        await words(ZeroDivisionError())


async def test_closing_the_chunks_closes_the_response():
    response = Response([b'data: {"word":"a"}\n\n', b'data: {"word":"b"}\n\n'])
    stream = stream_step(response.open(), Words(), errors=(Refused,))
    await anext(stream)
    await stream.aclose()
    assert response.closed


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "flat"}, "flat"),
        ({"error": {"message": "nested"}}, "nested"),
        ("plain", "plain"),
        (None, "the error itself"),
    ],
)
def test_errors_speak_the_providers_words(body: object, words: str):
    error = ValueError("the error itself")
    error.body = body  # type: ignore[attr-defined]  # as SDKs have it
    assert provider_error_text(error) == words


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
async def test_a_response_of_httpx_is_read_as_it_is(library: Any, *, is_packed: bool):
    data = b'data: {"word":"a"}\n\n'

    def answer(_request: Any) -> Any:
        if is_packed:
            packed = library.ByteStream(gzip.compress(data))
            return library.Response(200, headers={"content-encoding": "gzip"}, stream=packed)
        return library.Response(200, stream=library.ByteStream(data))

    async with library.AsyncClient(transport=library.MockTransport(answer)) as client:
        call = client.stream("GET", "http://provider.example")
        chunks = [chunk async for chunk in stream_step(call, Words(), errors=())]
    assert told(chunks) == ["a"]
