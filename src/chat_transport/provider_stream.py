"""From a provider SDK's open response to chunks: `stream_step`, with readers for SSE and NDJSON.

Rule: the SDK's client opens the stream, so that auth, retries and status errors stay its own; its
event objects, which cost most of a token, are never built. No SDK and no HTTP library is imported
here. For authors of adapters.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

from .chunks import UIMessageChunk
from .codecs.sse import SseDecoder
from .errors import RemoteProtocolError
from .step import StepDecoder

__all__ = [
    "ByteResponse",
    "HttpxResponse",
    "Reader",
    "ndjson_chunks",
    "provider_error_text",
    "sse_chunks",
    "stream_step",
]

JSON: TypeAlias = Any  # any JSON value
Reader: TypeAlias = Callable[
    [AsyncIterator[bytes], StepDecoder], AsyncGenerator[UIMessageChunk, None]
]
"""Reads a body through a decoder."""

MAX_LINE_BYTES = 32 * 1024 * 1024
"""Longest NDJSON line; a file may travel inside."""

_decode = msgspec.json.Decoder().decode


class ByteResponse(Protocol):
    """What we use of an SDK's open response."""

    def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it arrives."""
        ...


@runtime_checkable
class HttpxResponse(Protocol):
    """What we use of an open response of httpx or httpx2."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, whose names have no case."""
        ...

    @property
    def stream(self) -> Any:
        """The body as it was sent."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives, unpacked."""
        ...


@runtime_checkable
class _HoldsHttpResponse(ByteResponse, Protocol):
    @property
    def http_response(self) -> Any: ...  # of httpx or httpx2


def _body_of(response: ByteResponse | HttpxResponse) -> AsyncGenerator[bytes, None]:
    # What unpacks leads through three generators for each piece: only where the body is compressed.
    pieces: Any  # async generators, all of them
    if isinstance(response, _HoldsHttpResponse):
        pieces = _as_sent(response.http_response) or response.iter_bytes()
    elif isinstance(response, HttpxResponse):
        pieces = _as_sent(response) or response.aiter_bytes()
    else:
        pieces = response.iter_bytes()
    body: AsyncGenerator[bytes, None] = pieces
    return body


def _as_sent(http: HttpxResponse) -> AsyncIterator[bytes] | None:
    is_plain = http.headers.get("content-encoding", "identity") == "identity"
    return aiter(http.stream) if is_plain else None


def provider_error_text(error: Any) -> str:
    """Give the provider's own words of an SDK's error; never the request's."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and inner.get("message"):
            return str(inner["message"])
    if isinstance(body, str) and body:
        return body
    if _was_refused(error):
        return "Connection error."
    return str(getattr(error, "message", None) or error)


def _was_refused(error: BaseException | None) -> bool:
    # httpx-aiohttp 0.2, which SDKs carry with them, calls every failed connection a timeout.
    while error is not None:
        if type(error).__module__.partition(".")[0] == "aiohttp":
            return not isinstance(error, TimeoutError)
        error = error.__cause__
    return False


async def stream_step(
    call: AbstractAsyncContextManager[ByteResponse | HttpxResponse],
    decoder: StepDecoder,
    *,
    errors: tuple[type[Exception], ...],
    read: Reader | None = None,
    describe: Callable[[Any], str] = provider_error_text,
) -> AsyncGenerator[UIMessageChunk, None]:
    """Open a stream and give its chunks, to the end of the step.

    Closing the generator closes the connection. A failure is given as `error`, never raised.

    Args:
        call: Opens the response, of httpx or with `iter_bytes()`; what it raises of `errors` is the
            provider's refusal.
        decoder: Fresh.
        errors: The SDK's exceptions.
        read: Reads the body; None for server-sent events.
        describe: An exception's words for the user.
    """
    body: AsyncGenerator[bytes, None] | None = None
    try:
        async with call as response:
            body = _body_of(response)
            async with aclosing((read or sse_chunks)(body, decoder)) as chunks:
                async for chunk in chunks:
                    yield chunk
    except errors as error:
        for chunk in decoder.fail(describe(error)):
            yield chunk
    except _transport_errors() as error:
        for chunk in decoder.fail(f"the connection to the provider was lost: {error}"):
            yield chunk
    finally:
        # After the response: trio finalises generators that httpx leaves behind in one go, which
        # marks a response as closed before its connection is.
        if body is not None:
            await body.aclose()
    for chunk in decoder.end():
        yield chunk


async def sse_chunks(
    pieces: AsyncIterator[bytes], decoder: StepDecoder
) -> AsyncGenerator[UIMessageChunk, None]:
    """Decode the bytes of a stream of server-sent events."""
    sse = SseDecoder()
    try:
        async for piece in pieces:
            for data in sse.feed_data(piece):
                if data == b"[DONE]":
                    decoder.done()
                    continue
                for chunk in _chunks_of(data, decoder):
                    yield chunk
    except RemoteProtocolError as error:
        for chunk in decoder.fail(str(error)):
            yield chunk


async def ndjson_chunks(
    pieces: AsyncIterator[bytes], decoder: StepDecoder
) -> AsyncGenerator[UIMessageChunk, None]:
    """Decode the bytes of a stream of JSON lines."""
    partial: list[bytes] = []
    async for piece in pieces:
        lines = piece.split(b"\n")
        if len(lines) > 1:
            lines[0] = b"".join(partial) + lines[0]
            partial.clear()
        rest = lines.pop()
        for line in lines:
            if line.strip():
                for chunk in _chunks_of(line, decoder):
                    yield chunk
        partial.append(rest)
        if sum(map(len, partial)) > MAX_LINE_BYTES:
            for chunk in decoder.fail(f"the provider sent a line over {MAX_LINE_BYTES} bytes"):
                yield chunk
            return
    last = b"".join(partial).strip()
    if last.endswith(b"}"):  # else the connection was cut inside it
        for chunk in _chunks_of(last, decoder):
            yield chunk


def _chunks_of(data: bytes, decoder: StepDecoder) -> list[UIMessageChunk]:
    try:
        event = _decode_lenient(data)
    except msgspec.DecodeError as error:
        return decoder.fail(f"the provider sent an event that is not JSON: {error}")
    return decoder.feed(event) if isinstance(event, dict) else []


def _decode_lenient(data: bytes) -> JSON:
    try:
        return _decode(data)
    except UnicodeDecodeError:  # broken text becomes U+FFFD, as WHATWG says
        return _decode(data.decode("utf-8", "replace"))


def _transport_errors() -> tuple[type[Exception], ...]:
    # Reading raw bytes lets the HTTP library's errors through; only one that the SDK has loaded
    # can have raised one.
    known = (("httpx2", "HTTPError"), ("httpx", "HTTPError"), ("aiohttp", "ClientError"))
    loaded = [(sys.modules.get(name), error) for name, error in known]
    return tuple(getattr(module, error) for module, error in loaded if module is not None)
