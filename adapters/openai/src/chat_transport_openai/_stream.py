"""The fast path: the SDK's client opens the stream, our decoders read its bytes.

Rule: the SDK does auth, retries and status errors; its event objects, which cost most of a token,
are never built. Foreign errors become `error` chunks here and nowhere else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import msgspec

from chat_transport.chunks import UIMessageChunk
from chat_transport.codecs.sse import SseDecoder
from chat_transport.errors import RemoteProtocolError
from chat_transport.step import StepDecoder

__all__ = ["SdkResponse", "error_text", "step_chunks", "wire_chunks"]

JSON: TypeAlias = Any  # any JSON value

_decode = msgspec.json.Decoder().decode


class SdkResponse(Protocol):
    """What we use of the SDK's `AsyncAPIResponse`."""

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives."""
        ...


async def step_chunks(
    call: AbstractAsyncContextManager[SdkResponse], decoder: StepDecoder
) -> AsyncGenerator[UIMessageChunk, None]:
    """Open a stream and give its chunks; a failure is given as `error`.

    Closing the generator closes the connection.
    """
    import openai  # noqa: PLC0415  # the SDK takes a second to import: only when needed

    transport_errors = _transport_errors()
    try:
        async with call as response:
            async for chunk in wire_chunks(response.iter_bytes(), decoder):
                yield chunk
    except openai.APIError as error:
        for chunk in decoder.fail(error_text(error)):
            yield chunk
    except transport_errors as error:
        for chunk in decoder.fail(f"the connection to the provider was lost: {error}"):
            yield chunk
    for chunk in decoder.end():
        yield chunk


async def wire_chunks(
    pieces: AsyncIterator[bytes], decoder: StepDecoder
) -> AsyncGenerator[UIMessageChunk, None]:
    """Decode the bytes of a stream of server-sent events."""
    sse = SseDecoder()
    try:
        async with aclosing(pieces) as body:  # type: ignore[type-var]  # the SDK gives a generator
            async for piece in body:
                for event in sse.feed(piece):
                    for chunk in _event_chunks(event.data, decoder):
                        yield chunk
    except RemoteProtocolError as error:
        for chunk in decoder.fail(str(error)):
            yield chunk


def _event_chunks(data: str, decoder: StepDecoder) -> list[UIMessageChunk]:
    if data == "[DONE]":
        decoder.done()
        return []
    try:
        event = _decode(data)
    except msgspec.DecodeError as error:
        return decoder.fail(f"the provider sent an event that is not JSON: {error}")
    return decoder.feed(event) if isinstance(event, dict) else []


def error_text(error: Any) -> str:
    """Give the provider's own words of an SDK error, never the request's."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and inner.get("message"):
            return str(inner["message"])
    if isinstance(body, str) and body:
        return body
    return str(getattr(error, "message", error))


def _transport_errors() -> tuple[type[Exception], ...]:
    # openai 3 speaks httpx2, openai 2 httpx: reading raw bytes lets their errors through.
    found: list[type[Exception]] = []
    for name in ("httpx2", "httpx"):
        try:
            found.append(import_module(name).HTTPError)
        except ModuleNotFoundError:
            continue
    return tuple(found)
