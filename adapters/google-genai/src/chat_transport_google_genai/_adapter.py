"""`Gemini`: a model adapter on the official SDK's client.

Rule: constructing opens nothing and imports no SDK. A client handed in is never closed by us.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias

from chat_transport.chunks import UIMessageChunk
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec
from chat_transport.provider_client import ProviderClient
from chat_transport.provider_http import aiohttp_transport
from chat_transport.provider_stream import ByteResponse, HttpxResponse, stream_step

from ._events import GeminiDecoder
from ._request import gemini_body

__all__ = ["Gemini", "create"]

JSON: TypeAlias = Any  # any JSON value
Tools: TypeAlias = Sequence[ToolSpec | ProviderTool]


def _sdk_client(made_with: Mapping[str, Any], http: Any | None) -> Any:
    from google import genai  # noqa: PLC0415  # slow to import: only when needed

    # Its own choice, aiohttp bare, ends an answer that takes longer in all than `timeout_s`, passes
    # by ALL_PROXY, tries again after up to 10 s unasked, and knows no trio. But it alone shows the
    # certificate of a client.
    if http is None and not _shows_certificate():
        http = _http_client()
    options = genai.types.HttpOptions(base_url=made_with["base_url"], httpx_async_client=http)
    return genai.Client(api_key=made_with["api_key"], http_options=options)


def _shows_certificate() -> bool:
    return os.environ.get("GOOGLE_API_USE_CLIENT_CERTIFICATE", "").lower() == "true"


def _http_client(transport: Any | None = None) -> Any:
    return _http_class()(timeout=None, follow_redirects=True, transport=transport)


def _http_class() -> type[Any]:
    if int(version("google-genai").partition(".")[0]) < 3:
        from httpx import AsyncClient as Older  # noqa: PLC0415  # the SDK's, to 2

        return Older
    from httpx2 import AsyncClient  # noqa: PLC0415  # the SDK's, from 3 on

    return AsyncClient


def _aiohttp_client() -> Any:
    if _shows_certificate():
        raise RuntimeError("GOOGLE_API_USE_CLIENT_CERTIFICATE asks for the SDK's own client")
    return _http_client(aiohttp_transport(_http_class()))


async def _close(client: Any) -> None:
    http = client._api_client._async_httpx_client  # noqa: SLF001  # the SDK closes none that it was given
    if http is not None:
        await http.aclose()
    await client.aio.aclose()
    client.close()


class Gemini(ModelAdapter):
    """A model behind Gemini's `generateContent`, of AI Studio or Vertex.

    Args:
        model: The model's name.
        client: A `google.genai.Client`; None makes one at the first call, which `aclose` closes.
        api_key: For the client that we make; None reads `GEMINI_API_KEY` or `GOOGLE_API_KEY`.
        base_url: For the client that we make.
        aiohttp: Whether the client that we make runs on aiohttp, at about half the cost of a
            token: None on asyncio, without a proxy; False never.
    """

    provider = "google"

    def __init__(
        self,
        model: str,
        *,
        client: Any = None,
        api_key: str | None = None,
        base_url: str | None = None,
        aiohttp: bool | None = None,
    ) -> None:
        self.model = model
        self._sdk = ProviderClient(
            client,
            make=partial(_sdk_client, {"api_key": api_key, "base_url": base_url}),
            make_aiohttp=_aiohttp_client,
            close=_close,
            aiohttp=aiohttp,
        )

    @property
    def client(self) -> Any:
        """The SDK's client; made at the first use if none was handed in."""
        return self._sdk.get()

    async def aclose(self) -> None:
        """Close the client, if we made it."""
        await self._sdk.aclose()

    def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Tools = (),
        settings: ModelSettings | None = None,
    ) -> AsyncGenerator[UIMessageChunk, None]:
        """Make one answer; see `ModelAdapter.stream`."""
        from google.genai.errors import APIError  # noqa: PLC0415  # as above

        body = gemini_body(messages, model=self.model, tools=tools, settings=settings)
        call = _opened(self.client, self.model, body, settings)
        return stream_step(call, self.decoder(), errors=(APIError,), describe=_words)

    async def from_events(self, events: AsyncIterable[Any]) -> AsyncIterator[UIMessageChunk]:
        """Give the chunks of the SDK's own `GenerateContentResponse`s, or of their JSON."""
        decoder = self.decoder()
        async for event in events:
            for chunk in decoder.feed(event):
                yield chunk
        for chunk in decoder.end():
            yield chunk

    def decoder(self) -> GeminiDecoder:
        """Make the decoder of one answer."""
        return GeminiDecoder()


def _words(error: Any) -> str:
    return str(getattr(error, "message", None) or error)


class _AiohttpBody:
    """The response of aiohttp inside the SDK's."""

    def __init__(self, response: Any) -> None:
        self._response = response

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it arrives."""
        read = self._response.content.readany
        while piece := await read():
            yield piece


@asynccontextmanager
async def _opened(
    client: Any, model: str, body: Mapping[str, JSON], settings: ModelSettings | None
) -> AsyncGenerator[ByteResponse | HttpxResponse, None]:
    # google-genai 3.4 has no public way to the bytes of a stream, and the iterator that it does
    # give leaves the connection open when it is closed. Remove when the SDK offers raw streaming.
    sdk = client._api_client  # noqa: SLF001
    options: dict[str, Any] = {}
    if settings is not None and settings.headers is not None:
        options["headers"] = dict(settings.headers)
    if settings is not None and settings.timeout_s is not None:
        options["timeout"] = int(settings.timeout_s * 1000)
    path = f"{_model_path(client, model)}:streamGenerateContent?alt=sse"
    request = sdk._build_request("post", path, dict(body), options or None)  # noqa: SLF001
    response = await sdk._async_request(  # noqa: SLF001
        http_request=request, http_options=options or None, stream=True
    )
    inner = response.response_stream
    is_httpx = isinstance(inner, HttpxResponse)
    try:
        yield inner if is_httpx else _AiohttpBody(inner)
    finally:
        if is_httpx:
            await inner.aclose()
        else:
            inner.close()


def _model_path(client: Any, model: str) -> str:
    if client.vertexai:
        return model if "/" in model else f"publishers/google/models/{model}"
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def create(model_name: str) -> Gemini:
    """Make the adapter that the command line names `google-genai:MODEL`."""
    return Gemini(model_name)
